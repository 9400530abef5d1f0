"""Continues a text by an exported language model in onnxruntime, the likeliest character each time:
continue.py FILE PROMPT LENGTH"""
import json
import sys

try:
    import numpy as np
    import onnxruntime
except ImportError:
    print("skipped: no Python with the package onnxruntime; FOVEA_PYTHON may name one")
    sys.exit(0)

path, text, length = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
characters = json.loads(metadata["characters"])
ids = [characters.index(character) for character in text]
for _ in range(length):
    [logits] = session.run(["logits"], {"tokens": np.array([ids[-int(metadata["context"]) :]], np.int64)})
    ids.append(int(logits[0, -1].argmax()))
sys.stdout.buffer.write("".join(characters[i] for i in ids).encode())
