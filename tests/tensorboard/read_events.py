"""Reads with TensorBoard's own reader what write_events wrote into the folder that is the argument."""
import math
import sys

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    print("skipped: no Python with the package tensorboard; FOVEA_PYTHON may name one")
    sys.exit(0)

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
events.Reload()
tags = events.Tags()

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

[text] = events.Tensors("options")
assert text.tensor_proto.string_val[0].decode().startswith("| option | value |"), text
assert events.SummaryMetadata("options").plugin_data.plugin_name == "text"

[image] = events.Images("example")
assert (image.width, image.height) == (1, 1) and image.encoded_image_string.startswith(b"\x89PNG"), image
print("TensorBoard read", sorted(k for k, v in tags.items() if v))
