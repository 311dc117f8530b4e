"""What is trained: a backbone cut into segments, with an exit behind each.

multi_exit.py        MultiExitNetwork (to be MultiExitNetwork): segments, cuts, an exit each; DeployedNetwork
exits.py             pooling, angular classifier, ExitOutput; all exits of a step at once
adapters.py          shallow width -> deepest width, for the feature loss
attention_resnet.py  SENet and ECANet, depth 9 to 50
build.py             configuration -> network
custom_network.py    exits on a network that the user wrote
cut_points.py        finds where such a network may be cut
forward_graph.py     records a forward pass as a graph, with multiply-adds
cut_table.py         the table of `fsd-tuner cuts`
"""
