"""The models of more_models.cpp in PyTorch: MORE gives for each workload's name a function that prepares its step."""

import inspect

import torch
from torch import nn
from torch.nn import functional as F


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Branches(nn.Module):
    """Several ways from one input, joined."""

    def __init__(self, ways, join):
        super().__init__()
        self.ways = nn.ModuleList(ways)
        self.join = join

    def forward(self, x):
        return self.join([way(x) for way in self.ways])


def residual(*body, skip=None):
    return Branches([nn.Sequential(*body), skip or nn.Identity()], lambda x: x[0] + x[1])


def side_by_side(*ways):
    return Branches(ways, lambda x: torch.cat(x, 1))


def swapped():
    return Function(lambda x: x.transpose(1, 2))


def mean_of_image():
    return Function(lambda x: x.mean((2, 3)))


class Outputs(nn.Module):
    """A recurrent layer that gives its output alone."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


class LastState(nn.LSTM):
    def forward(self, x):
        return super().forward(x)[1][0][-1]


def text_convolutions():
    def window(words):
        return nn.Sequential(nn.Conv1d(128, 100, words), nn.ReLU(), Function(lambda x: x.amax(2)))
    return nn.Sequential(nn.Embedding(20000, 128), swapped(), side_by_side(window(3), window(4), window(5)),
                         nn.Dropout(0.5), nn.Linear(300, 4))


def normed(inputs, outputs, kernel, **options):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, bias=False, **options), nn.BatchNorm2d(outputs))


def residual_block(inputs, outputs, stride):
    fits = inputs == outputs and stride == 1
    skip = None if fits else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
    return nn.Sequential(residual(normed(inputs, outputs, 3, stride=stride, padding=1), nn.ReLU(),
                                  normed(outputs, outputs, 3, padding=1), skip=skip), nn.ReLU())


def residual_network():
    return nn.Sequential(normed(3, 32, 3, padding=1), nn.ReLU(), residual_block(32, 32, 1), residual_block(32, 64, 2),
                         residual_block(64, 128, 2), mean_of_image(), nn.Linear(128, 10))


def separable_block(inputs, outputs, stride):
    return nn.Sequential(normed(inputs, inputs, 3, stride=stride, padding=1, groups=inputs), nn.ReLU(),
                         normed(inputs, outputs, 1), nn.ReLU())


def mobile_network():
    return nn.Sequential(normed(3, 32, 3, stride=2, padding=1), nn.ReLU(), separable_block(32, 64, 1),
                         separable_block(64, 128, 2), separable_block(128, 128, 1), separable_block(128, 256, 2),
                         mean_of_image(), nn.Linear(256, 10))


def causal_block(channels, dilation):
    def past():
        return Function(lambda x: F.pad(x, (2 * dilation, 0)))

    def convolution():
        return nn.Conv1d(channels, channels, 3, dilation=dilation)
    return residual(past(), convolution(), nn.BatchNorm1d(channels), nn.ReLU(), past(), convolution(), nn.ReLU(),
                    nn.Dropout(0.1))


def temporal_network():
    return nn.Sequential(nn.Conv1d(4, 32, 1), *(causal_block(32, dilation) for dilation in (1, 2, 4, 8)),
                         Function(lambda x: x[:, :, -1]), nn.Linear(32, 12))


def lstm_language():
    return nn.Sequential(nn.Embedding(10000, 256), Outputs(nn.LSTM(256, 256, 2, dropout=0.2, batch_first=True)),
                         nn.Linear(256, 10000))


def if_known(function, **options):
    """Those of the options that this PyTorch's function takes; they are hints, and results are the same without."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in known}


def encoder_layers(dim, heads, layers, feedforward, pre_norm=False, nested=False):
    layer = nn.TransformerEncoderLayer(dim, heads, feedforward, 0.1, activation="gelu" if pre_norm else "relu",
                                       batch_first=True, norm_first=pre_norm)
    return nn.TransformerEncoder(layer, layers, nn.LayerNorm(dim) if pre_norm else None,
                                 **if_known(nn.TransformerEncoder, enable_nested_tensor=nested))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, 128)
        self.positions = nn.Embedding(128, 128)
        self.encoder = encoder_layers(128, 4, 4, 512, pre_norm=True)
        self.head = nn.Linear(128, 5000, bias=False)
        self.mask = nn.Transformer.generate_square_subsequent_mask(128)
        self.hint = if_known(self.encoder.forward, is_causal=True)

    def forward(self, tokens):
        x = F.dropout(self.embedding(tokens) + self.positions.weight, 0.1, self.training)
        return self.head(self.encoder(x, mask=self.mask, **self.hint))


class MaskedEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10000, 128)
        self.layers = encoder_layers(128, 4, 2, 512)
        self.output = nn.Linear(128, 4)

    def forward(self, tokens, padding):
        return self.output(self.layers(self.embedding(tokens), src_key_padding_mask=padding)[:, 0])


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, 128)
        self.layers = nn.TransformerDecoder(nn.TransformerDecoderLayer(128, 4, 512, 0.1, batch_first=True), 2)
        self.output = nn.Linear(128, 5000)
        self.mask = nn.Transformer.generate_square_subsequent_mask(40)
        self.hint = if_known(self.layers.forward, tgt_is_causal=True)

    def forward(self, tokens, memory):
        return self.output(self.layers(self.embedding(tokens), memory, tgt_mask=self.mask, **self.hint))


def perceptron():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def batch_norm_perceptron():
    def hidden(inputs):
        return nn.Linear(inputs, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2)
    return nn.Sequential(*hidden(50), *hidden(256), nn.Linear(256, 2))


def unet():
    def flat(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 3, padding=1)

    def up(inputs, outputs):
        return nn.ConvTranspose2d(inputs, outputs, 2, 2)
    quarter = nn.Sequential(nn.MaxPool2d(2), flat(32, 64), nn.ReLU(), up(64, 32))
    half = nn.Sequential(nn.MaxPool2d(2), flat(16, 32), nn.ReLU(), side_by_side(quarter, nn.Identity()), flat(64, 32),
                         nn.ReLU(), up(32, 16))
    return nn.Sequential(flat(1, 16), nn.ReLU(), side_by_side(half, nn.Identity()), flat(32, 16), nn.ReLU(),
                         flat(16, 1))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(400, 20), nn.Linear(400, 20)
        self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

    def loss(self, x):
        h = self.encoder(x)
        m, v = self.mean(h), self.log_variance(h)
        drawn = self.decoder(m + torch.exp(v * 0.5) * torch.randn_like(m))
        distance = (m ** 2 + v.exp() - v - 1).sum(1).mean() * 0.5
        return F.binary_cross_entropy_with_logits(drawn, x) * 784 + distance


class SelfAttention(nn.MultiheadAttention):
    def forward(self, x):
        return super().forward(x, x, x, need_weights=False)[0]


def conformer_block(dim):
    def feedforward():
        return residual(nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.SiLU(), nn.Linear(4 * dim, dim),
                        Function(lambda x: x * 0.5))
    return nn.Sequential(feedforward(), residual(nn.LayerNorm(dim), SelfAttention(dim, 4, batch_first=True)),
                         residual(nn.LayerNorm(dim), swapped(), nn.Conv1d(dim, 2 * dim, 1), nn.GLU(1),
                                  nn.Conv1d(dim, dim, 31, padding=15, groups=dim), nn.BatchNorm1d(dim), nn.SiLU(),
                                  nn.Conv1d(dim, dim, 1), swapped()),
                         feedforward())


def conformer():
    return nn.Sequential(conformer_block(144), conformer_block(144), nn.Linear(144, 30))


def letter_reader():
    return nn.Sequential(nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU(),
                         Function(lambda x: x.permute(0, 3, 1, 2).flatten(2)),
                         Outputs(nn.GRU(640, 128, bidirectional=True, batch_first=True)), nn.Linear(256, 29),
                         Function(lambda x: F.log_softmax(x, -1).transpose(0, 1)))


class Recommender(nn.Module):
    def __init__(self):
        super().__init__()
        self.numbers = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, 16), nn.ReLU())
        self.tables = nn.ModuleList(nn.Embedding(1000, 16) for _ in range(26))
        self.output = nn.Sequential(nn.Linear(27 * 16, 128), nn.ReLU(), nn.Linear(128, 1))

    def forward(self, x, categories):
        found = [table(ids) for table, ids in zip(self.tables, categories)]
        return self.output(torch.cat([self.numbers(x)] + found, 1))


class Contrast(nn.Module):
    def __init__(self):
        super().__init__()
        self.picture, self.text = nn.Linear(512, 256), nn.Linear(384, 256)

    def loss(self, pictures, texts, pairs):
        p, t = self.picture(pictures), self.text(texts)
        s = (p / p.norm(dim=1, keepdim=True)) @ (t / t.norm(dim=1, keepdim=True)).T * 14
        return (F.cross_entropy(s, pairs) + F.cross_entropy(s.T, pairs)) * 0.5


class AdditiveClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, 64)
        self.encoder = nn.GRU(64, 64, bidirectional=True, batch_first=True)
        self.score = nn.Sequential(nn.Linear(128, 64), nn.Tanh(), nn.Linear(64, 1))
        self.output = nn.Linear(128, 6)

    def forward(self, tokens, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True,
                                                   enforce_sorted=False)
        h, _ = nn.utils.rnn.pad_packed_sequence(self.encoder(packed)[0], batch_first=True, total_length=20)
        weights = self.score(h)[..., 0].masked_fill(beyond(lengths, 20), -1e9).softmax(1)
        return self.output((weights[..., None] * h).sum(1))


def lstm_512():
    return nn.Sequential(LastState(128, 512, batch_first=True), nn.Linear(512, 10))


def encoder():
    return encoder_layers(256, 4, 4, 1024, nested=True)


def vision_transformer():
    return nn.Sequential(nn.Conv2d(3, 192, 16, 16), Function(lambda x: x.flatten(2).transpose(1, 2)),
                         encoder_layers(192, 3, 6, 768, pre_norm=True))


def ids(count, *shape, first=0):
    return torch.randint(first, first + count, shape)


def beyond(lengths, time):
    return torch.arange(time)[None] >= lengths[:, None]


def train(model, loss, *inputs):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad()
        loss(model, *inputs).backward()
        optimizer.step()
    return step


def classify(model, *inputs):
    *inputs, classes = inputs
    return train(model, lambda m, *x: F.cross_entropy(m(*x).flatten(0, -2), classes), *inputs)


def own_loss(model, *inputs):
    return train(model, lambda m, *x: m.loss(*x), *inputs)


def infer(model, *shape):
    model.eval()
    x = torch.randn(*shape)

    def step():
        with torch.inference_mode():
            model(x)
    return step


def lstm_step():
    model, x, state = nn.LSTM(64, 64, 2, batch_first=True).eval(), torch.randn(1, 1, 64), None

    def step():
        nonlocal state
        with torch.inference_mode():
            _, state = model(x, state)
    return step


MORE = {
    "train_text_cnn": lambda: classify(text_convolutions(), ids(20000, 64, 64), ids(4, 64)),
    "train_residual": lambda: classify(residual_network(), torch.randn(32, 3, 32, 32), ids(10, 32)),
    "train_mobile": lambda: classify(mobile_network(), torch.randn(32, 3, 64, 64), ids(10, 32)),
    "train_tcn": lambda: train(temporal_network(), lambda m, x, y: F.mse_loss(m(x), y), torch.randn(64, 4, 32),
                               torch.randn(64, 12)),
    "train_lstm_language": lambda: classify(lstm_language(), ids(10000, 20, 35), ids(10000, 20 * 35)),
    "train_gpt": lambda: classify(Gpt(), ids(5000, 16, 128), ids(5000, 16 * 128)),
    "train_masked_encoder": lambda: classify(MaskedEncoder(), ids(10000, 32, 48), beyond(ids(40, 32, first=8), 48),
                                             ids(4, 32)),
    "train_decoder": lambda: classify(Decoder(), ids(5000, 16, 40), torch.randn(16, 50, 128), ids(5000, 16 * 40)),
    "train_mlp_batch_norm": lambda: classify(batch_norm_perceptron(), torch.randn(512, 50), ids(2, 512)),
    "train_unet": lambda: train(unet(), lambda m, x, y: F.binary_cross_entropy_with_logits(m(x), y),
                                torch.randn(8, 1, 64, 64), torch.rand(8, 1, 64, 64)),
    "train_vae": lambda: own_loss(Autoencoder(), torch.rand(128, 784)),
    "train_conformer": lambda: classify(conformer(), torch.randn(8, 200, 144), ids(30, 8 * 200)),
    "train_crnn_ctc": lambda: train(letter_reader(), lambda m, x, *letters: F.ctc_loss(m(x), *letters),
                                    torch.randn(8, 1, 80, 200), ids(28, 8, 15, first=1), torch.full((8,), 50),
                                    torch.full((8,), 15)),
    "train_recommender": lambda: train(Recommender(),
                                       lambda m, x, k, y: F.binary_cross_entropy_with_logits(m(x, k), y),
                                       torch.randn(256, 13), [ids(1000, 256) for _ in range(26)], torch.rand(256, 1)),
    "train_contrastive": lambda: own_loss(Contrast(), torch.randn(256, 512), torch.randn(256, 384), torch.arange(256)),
    "train_additive_gru": lambda: classify(AdditiveClassifier(), ids(5000, 32, 20), ids(15, 32, first=5), ids(6, 32)),
    "train_lstm_512": lambda: classify(lstm_512(), torch.randn(32, 50, 128), ids(10, 32)),
    "infer_encoder_batch32": lambda: infer(encoder(), 32, 64, 256),
    "infer_residual_batch1": lambda: infer(residual_network(), 1, 3, 32, 32),
    "infer_lstm_step": lstm_step,
    "infer_mlp_batch1": lambda: infer(perceptron(), 1, 64),
    "infer_vit_batch1": lambda: infer(vision_transformer(), 1, 3, 224, 224),
}
