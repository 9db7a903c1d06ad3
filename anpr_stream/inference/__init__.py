"""Engines that run a network: ONNX Runtime, OpenVINO, TensorRT, and the choice between them."""
