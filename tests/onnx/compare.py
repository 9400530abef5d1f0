"""Runs the graphs of compare_test.cpp in onnxruntime and compares with what Fovea computed: compare.py FOLDER"""
import pathlib
import sys

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import numpy_helper
except ImportError:
    sys.exit(77)


def load(path):
    tensor = onnx.TensorProto.FromString(path.read_bytes())
    return tensor.name, numpy_helper.to_array(tensor)


def differs(folder):
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = dict(load(path) for path in folder.glob("*.input"))
    _, expected = load(folder / "result")
    [got] = session.run(None, inputs)
    assert got.shape == expected.shape and np.ptp(expected) > 0.1, (got.shape, expected.shape)
    difference = np.abs(got - expected).max()
    print(f"{folder.name}: {difference:.2g}")
    return not difference <= 2e-5  # a NaN differs, too


folders = sorted(path for path in pathlib.Path(sys.argv[1]).iterdir())
sys.exit(1 if not folders or any([differs(folder) for folder in folders]) else 0)
