"""A detector outside this package: torch.export, TorchScript, ONNX, 8 bits.

In reading order:

packaging.py         writes the forms and checks parity
exported_program.py  torch.export and TorchScript
front_end_module.py  the front ends as tensor programs
onnx_export.py       ONNX export, quantisation, inference
int8.py              the 8-bit ONNX detector and its EER on dev
"""
