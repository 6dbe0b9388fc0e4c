"""A language model with everything but sense: random weights in the architecture of Llama, half a megabyte of GGUF."""

from pathlib import Path

import gguf
import numpy as np

_WIDTH, _LAYERS, _HEADS, _INNER, _CONTEXT = 64, 2, 4, 128, 512
_SPECIAL = (("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL))
_BYTES = [(f"<0x{byte:02X}>", gguf.TokenType.BYTE) for byte in range(256)]
_TEXT = [("\u2581", gguf.TokenType.NORMAL), *((chr(code), gguf.TokenType.NORMAL) for code in range(33, 127))]
_VOCABULARY = [*_SPECIAL, *_BYTES, *_TEXT]
_TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant: "


def write(path: Path, inner: int = _INNER) -> None:
    """The same bytes each time. It answers in printable characters, as many as it is asked for.

    `inner` is the width inside of its layers: it takes 1.5 KiB of weights for each.
    """
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_vocabulary(writer)
    _add_weights(writer, inner)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    writer.add_vocab_size(len(_VOCABULARY))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token for token, _ in _VOCABULARY])
    writer.add_token_types([int(kind) for _, kind in _VOCABULARY])
    writer.add_token_scores([float(-number) for number in range(len(_VOCABULARY))])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(_TEMPLATE)


def _add_weights(writer: gguf.GGUFWriter, inner: int) -> None:
    random = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.05, shape).astype(np.float32))

    def add_ones(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(_WIDTH, np.float32))

    add("token_embd", len(_VOCABULARY), _WIDTH)
    add_ones("output_norm")
    output = random.normal(0, 1, (len(_VOCABULARY), _WIDTH)).astype(np.float32)
    output[: len(_SPECIAL) + len(_BYTES)] = 0  # neither an end nor half a character is ever likely
    writer.add_tensor("output.weight", output)
    for layer in range(_LAYERS):
        add_ones(f"blk.{layer}.attn_norm")
        add_ones(f"blk.{layer}.ffn_norm")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{part}", _WIDTH, _WIDTH)
        add(f"blk.{layer}.ffn_gate", inner, _WIDTH)
        add(f"blk.{layer}.ffn_up", inner, _WIDTH)
        add(f"blk.{layer}.ffn_down", _WIDTH, inner)
