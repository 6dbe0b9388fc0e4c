"""Triton Inference Server: any number of models and ensembles, and TensorRT-LLM, behind the Open Inference Protocol."""
