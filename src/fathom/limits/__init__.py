"""Where a model fails: measures with intervals, and the page that shows them."""
