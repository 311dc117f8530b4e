"""The search space: what a study searches over.

Read in this order:

* `space`: `SearchSpace`, dotted paths with a dimension each; `with_values` puts values into settings.
* `dimensions`: float, log, int and choice, and how a study file writes each kind.
* `cuts`: increasing positions, such as where to cut a network. To add a kind of dimension, write a class like
  this one and name it in `dimensions.parse_dimension`.
* `conditions`: `when`, which makes a dimension depend on the values of others.
* `distributions`: the protocol `Dimension`, and the plain distributions that samplers draw from.

Params are values of active dimensions by dotted path, as a trial function sees them. Encoded values are those
of the plain distributions behind them, by name, as a sampler draws them.
"""
