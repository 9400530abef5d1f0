"""Runs exported models in onnxruntime, on the examples that lie beside them: all at once, and each alone and unpadded.

    run.py [--even] FILE...    prints how far the probabilities are from Fovea's at most; --even: examples of one length will do
"""
import json
import sys

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import numpy_helper
except ImportError:
    print("skipped: no Python with the packages onnx and onnxruntime; FOVEA_PYTHON may name one")
    sys.exit(0)


def load(path):
    tensor = onnx.TensorProto()
    with open(path, "rb") as file:
        tensor.ParseFromString(file.read())
    return tensor.name, numpy_helper.to_array(tensor)


def alone(inputs, i):
    """The inputs of one example, without what is only there beside longer ones."""
    one = {name: values[i : i + 1] for name, values in inputs.items()}
    if "lengths" in one:
        lengths = one["lengths"]
        for name in one.keys() & {"tokens", "features"}:
            if lengths.ndim == 2:  # sentences
                count = int((lengths > 0).sum())
                one[name] = one[name][:, :count, : int(lengths.max())]
                one["lengths"] = lengths[:, :count]
            else:
                one[name] = one[name][:, : int(lengths[0])]
    return one


def run(path, even):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import] == [17]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    folder = path + ".test_data_set_0/"
    names = [each.name for each in model.graph.input]
    inputs = dict(load(f"{folder}input_{i}.pb") for i in range(len(names)))
    assert list(inputs) == names, (list(inputs), names)
    _, expected = load(folder + "output_0.pb")
    assert len(json.loads(metadata["classes"])) == expected.shape[1]
    # So that a wrong output would be seen: no softmax hides it, and the examples differ by much more than what is allowed.
    spread = np.ptp(expected, axis=0).max()
    assert len(expected) > 1 and spread > 1e-5, expected
    assert ((expected > 1e-3) & (expected < 1 - 1e-3)).any(), expected
    if "lengths" in inputs and not even:
        assert len(set(map(str, inputs["lengths"]))) > 1, "all of one length"

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    [got] = session.run(["probabilities"], inputs)
    assert got.shape == expected.shape, (got.shape, expected.shape)
    difference = np.abs(got - expected).max()
    for i in range(min(len(expected), 4)):
        [got] = session.run(["probabilities"], alone(inputs, i))
        difference = np.maximum(difference, np.abs(got - expected[i : i + 1]).max())  # which keeps a NaN
    print(f"{path}: {difference:.2g}")
    return difference < min(1e-4, spread / 20)


even = "--even" in sys.argv
files = [word for word in sys.argv[1:] if word != "--even"]
sys.exit(0 if all([run(path, even) for path in files]) else 1)
