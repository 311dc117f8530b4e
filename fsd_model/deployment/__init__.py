"""A detector outside this package: torch.export, TorchScript, ONNX, 8 bits.

packaging.py         writes the forms and proves parity
exported_program.py  torch.export and TorchScript
front_end_module.py  the front ends as tensor programs
onnx_export.py  int8.py
"""
