"""The trained network: a backbone cut into segments, with an exit behind each.

multi_exit.py        MultiExitNetwork: segments, cuts, an exit each; DeployedNetwork
exits.py             pooling, angular classifier, ExitOutput
adapters.py          shallow width -> deepest width, for the feature loss
attention_resnet.py  SENet and ECANet, depth 9 to 50
build.py             builds the network that a configuration names
custom_network.py    exits on a network of the user
cut_points.py        finds the legal cuts of any network
forward_graph.py     records a forward pass as a graph, with multiply-adds
cut_table.py         the table of `fsd-tuner cuts`
"""
