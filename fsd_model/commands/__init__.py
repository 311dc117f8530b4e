"""The commands that know speech, one file each; heavy imports happen inside them."""
