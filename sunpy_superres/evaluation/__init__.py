"""How good a model is: frames whose truth is known, scores, comparisons and figures."""
