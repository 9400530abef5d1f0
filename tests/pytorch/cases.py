#!/usr/bin/env python3
"""State dicts that PyTorch saves and reads, and examples of what the modules compute.

    cases.py write FOLDER   NAME.safetensors, a module's state dict as the safetensors package writes it, and
                            NAME_example.safetensors with inputs and outputs: what pytorch_test reads
    cases.py read FOLDER    loads such files that pytorch_test wrote into PyTorch's modules and compares the outputs

data/ was made by `cases.py write data`.
"""
import os
import sys

try:
    import torch
    from safetensors.torch import load_file, save_file
    from torch import nn
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def multihead_attention(m, x, keep):
    return m(x, x, x, key_padding_mask=~keep, average_attn_weights=False)


def cross_attention(m, query, key, value):
    return m(query, key, value, average_attn_weights=False)


def encoder(pre_norm):
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0, activation="gelu" if pre_norm else "relu", batch_first=True,
                                       norm_first=pre_norm)
    return nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8) if pre_norm else None, enable_nested_tensor=False)


def decoder():
    return nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 12, dropout=0, batch_first=True), 1)


def decode(m, x, memory):
    return m(x, memory, tgt_mask=nn.Transformer.generate_square_subsequent_mask(x.shape[1]))


def recurrent(m, x):
    output, state = m(x)
    return (output, *state) if isinstance(state, tuple) else (output, state)


KEEP = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])

# name: the module, the shapes of its inputs (or an input itself), and how it is called where not as m(*inputs)
CASES = {
    "multihead_attention": (lambda: nn.MultiheadAttention(8, 2, batch_first=True), [(2, 5, 8), KEEP],
                            multihead_attention),
    "multihead_attention_widths": (lambda: nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True),
                                   [(2, 3, 8), (2, 5, 6), (2, 5, 4)], cross_attention),
    "transformer_encoder": (lambda: encoder(False), [(2, 4, 8)], None),
    "transformer_encoder_pre_norm": (lambda: encoder(True), [(2, 4, 8)], None),
    "transformer_decoder": (decoder, [(2, 4, 8), (2, 3, 8)], decode),
    "lstm": (lambda: nn.LSTM(5, 6, num_layers=2, bidirectional=True, batch_first=True), [(2, 7, 5)], recurrent),
    "gru": (lambda: nn.GRU(5, 6, batch_first=True), [(2, 7, 5)], recurrent),
    "conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, groups=2), [(2, 4, 7, 6)], None),
}


def run(module, call, inputs):
    module.eval()
    with torch.no_grad():
        out = call(module, *inputs) if call else module(*inputs)
    return out if isinstance(out, tuple) else (out,)


def write(folder):
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(1)
    for name, (make, inputs, call) in CASES.items():
        module = make()
        with torch.no_grad():
            for p in module.parameters():
                p.add_(0.1 * torch.randn_like(p))  # no bias stays 0, no norm's weight 1
        inputs = [torch.randn(x) if isinstance(x, tuple) else x for x in inputs]
        outputs = run(module, call, inputs)
        save_file({k: v.contiguous() for k, v in module.state_dict().items()}, f"{folder}/{name}.safetensors")
        example = {f"input{i}": x for i, x in enumerate(inputs)}
        example.update({f"output{i}": x.contiguous() for i, x in enumerate(outputs)})
        save_file(example, f"{folder}/{name}_example.safetensors")


def read(folder):
    for name, (make, inputs, call) in CASES.items():
        module = make()
        module.load_state_dict(load_file(f"{folder}/{name}.safetensors"), strict=True)
        example = load_file(f"{folder}/{name}_example.safetensors")
        outputs = run(module, call, [example[f"input{i}"] for i in range(len(inputs))])
        for i, output in enumerate(outputs):
            difference = (output - example[f"output{i}"]).abs().max().item()
            print(f"{name} output {i}: differs by {difference:.2e}")
            if not difference < 1e-5:
                sys.exit(f"{name}: output {i} differs by {difference}")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2])
