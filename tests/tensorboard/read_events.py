"""Reads event files with TensorBoard's own reader.

    read_events.py written FOLDER     what write_events wrote
    read_events.py run FOLDER KIND    what a trainer wrote of a run; KIND is "images" where its examples are pictures, else "text"
"""
import math
import sys

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    print("skipped: no Python with the package tensorboard; FOVEA_PYTHON may name one")
    sys.exit(0)


def read(folder):
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
    events.Reload()
    return events


def check_options(events):
    [text] = events.Tensors("options")
    assert text.tensor_proto.string_val[0].decode().startswith("| option | value |"), text
    assert events.SummaryMetadata("options").plugin_data.plugin_name == "text"


def check_written(folder):
    events = read(folder)
    scalars = [(each.step, each.value) for each in events.Scalars("loss/train")]
    expected = [(100, 1.0), (200, 0.5), (300, 1 / 3), (400, 0.125)]
    assert [step for step, _ in scalars] == [step for step, _ in expected], scalars
    assert all(abs(a - b) < 1e-7 for (_, a), (_, b) in zip(scalars, expected)), scalars

    [histogram] = events.Histograms("encoder.weight")
    values = [math.sin(i) for i in range(1000)]
    found = histogram.histogram_value
    assert found.num == 1000 and sum(found.bucket) == 1000, found
    assert abs(found.sum - sum(values)) < 1e-3 and abs(found.min - min(values)) < 1e-6, found
    for i, limit in enumerate(found.bucket_limit[:-1]):
        assert abs(sum(found.bucket[: i + 1]) - sum(v < limit for v in values)) <= 1, (i, limit)

    check_options(events)
    [image] = events.Images("example")
    assert (image.width, image.height) == (1, 1) and image.encoded_image_string.startswith(b"\x89PNG"), image


def check_run(folder, kind):
    events = read(folder)
    tags = events.Tags()
    scalars = ["loss/train", "accuracy/train", "learning rate", "loss/valid", "accuracy/valid"]
    assert set(scalars) <= set(tags["scalars"]), tags["scalars"]
    for tag in scalars:
        assert len(events.Scalars(tag)) == 2 and all(math.isfinite(each.value) for each in events.Scalars(tag)), tag
    assert len(tags["histograms"]) > 2, tags["histograms"]
    for tag in tags["histograms"]:
        assert all(each.histogram_value.num > 0 for each in events.Histograms(tag)), tag
    check_options(events)
    if kind == "images":
        assert len(tags["images"]) == 3, tags["images"]
        for tag in tags["images"]:
            [image] = events.Images(tag)
            assert image.width > 1 and image.encoded_image_string.startswith(b"\x89PNG"), tag
    else:
        texts = [tag for tag in tags["tensors"] if tag != "options"]
        assert texts and all(events.Tensors(tag)[0].tensor_proto.string_val[0] for tag in texts), tags["tensors"]


if sys.argv[1] == "written":
    check_written(sys.argv[2])
else:
    check_run(sys.argv[2], sys.argv[3])
print("read", sys.argv[2])
