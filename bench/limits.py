"""What each workload must do at least: multiply-adds of its products and bytes that go to or come from memory.

The limit of a step is the greater of the products' time at the measured rate of a large product and of the bytes' time
at the measured rate of a copy. A training step's backward pass has two products for one of the forward pass."""

B = 4  # bytes of an f32


def recurrent(gates, batch=32, time=64, dim=128, hidden=128, attention=256, classes=4, vocabulary=20000, train=True):
    places, width = batch * time, 2 * hidden
    products = 2 * gates * hidden * (dim + hidden) * places + places * width * (attention + 2) + batch * width * classes
    weights = vocabulary * dim + 2 * gates * hidden * (dim + hidden) + width * attention
    return step(products, weights, train)


def transformer(batch, time, dim, layers, heads, feedforward, vocabulary=20000, train=True):
    places = batch * time
    layer = places * (4 * dim * dim + 2 * dim * feedforward) + 2 * batch * time * time * dim
    weights = vocabulary * dim + time * dim + layers * (4 * dim * dim + 2 * dim * feedforward)
    return step(layers * layer, weights, train)


def step(products, weights, train=True):
    """Adam reads gradient, parameter and two moments, and writes all but the gradient; the gradient is written once."""
    return (6 * products, 8 * weights * B) if train else (2 * products, 0)


def mlp():
    sizes = [784, 512, 512, 10]
    weights = sum(a * b for a, b in zip(sizes, sizes[1:]))
    return step(128 * weights, weights)


def cnn(batch=64):
    convolutions = batch * (28 * 28 * 32 * 9 + 14 * 14 * 64 * 32 * 9)
    dense = 3136 * 128 + 1280
    return step(convolutions + batch * dense, dense + 64 * 32 * 9)


M = 1 << 20
LIMITS = {
    "train_gru": recurrent(3),
    "train_lstm": recurrent(4),
    "train_transformer_small": transformer(32, 64, 128, 2, 4, 512),
    "train_transformer_base": transformer(16, 256, 256, 4, 8, 1024),
    # Rows of the table read, their gradients written and read, the rows read and written again.
    "train_bag": (0, 5 * 256 * 64 * 64 * B),
    "train_mlp": mlp(),
    "train_cnn": cnn(),
    "infer_gru_batch1": recurrent(3, batch=1, train=False),
    "infer_transformer_batch1": transformer(1, 64, 128, 2, 4, 512, train=False),
    "op_matmul_512": (2 * 512**3, 0),
    "op_matmul_2048": (2 * 2048**3, 0),
    "op_add_1m": (0, 3 * M * B),
    "op_gelu_1m": (0, 2 * M * B),
    "op_softmax_4096x1024": (0, 2 * 4 * M * B),
    "op_layer_norm_4096x1024": (0, 2 * 4 * M * B),
    "op_sum_rows_4096x1024": (0, 4 * M * B),
    "op_transpose_copy_2048": (0, 2 * 4 * M * B),
    "op_attention_train": (7 * 2 * 4 * 8 * 512 * 512 * 64, 0),
}


def limit_ms(workload, rates):
    """None where overheads alone decide."""
    if workload not in LIMITS:
        return None
    operations, moved = LIMITS[workload]
    return max(operations / (rates["gflops"] * 1e6), moved / (rates["copy_gb_per_s"] * 1e6))
