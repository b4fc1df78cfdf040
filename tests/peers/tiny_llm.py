"""A llama.cpp server with a tiny random model, for tests of the LLM planner.

Writes a llama of 2 blocks with a byte-level tokenizer, serves it by OpenAI's API, prints
`listening URL`, and ends when standard input closes.
"""

import os
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

BLOCKS, WIDTH, HEADS, FEED_FORWARD = 2, 64, 4, 128
CONTEXT = 16384
SPECIALS = ["<unk>", "<s>", "</s>"]


def byte_symbols():
    """GPT-2's printable stand-ins for the 256 bytes."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    symbols = {byte: chr(byte) for byte in plain}
    symbols.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return [symbols[byte] for byte in range(256)]


def write_model(path):
    tokens = SPECIALS + byte_symbols()
    random = np.random.default_rng(0)

    def weights(*shape):
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    # Only printable ASCII is ever drawn: halves of UTF-8 sequences would make the server reject its
    # own answer, whatever the grammar.
    drawn = [byte in b"\n\t" or 0x20 <= byte < 0x7F for byte in range(256)]
    kinds = [gguf.TokenType.CONTROL] * len(SPECIALS)
    kinds += [gguf.TokenType.NORMAL if use else gguf.TokenType.CONTROL for use in drawn]
    writer.add_token_types(kinds)
    # The loader wants one; this pair of zero bytes does not occur in text.
    writer.add_token_merges([f"{byte_symbols()[0]} {byte_symbols()[0]}"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)

    writer.add_tensor("token_embd.weight", weights(len(tokens), WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    writer.add_tensor("output.weight", weights(len(tokens), WIDTH))
    for block in range(BLOCKS):
        name = f"blk.{block}"
        writer.add_tensor(f"{name}.attn_norm.weight", np.ones(WIDTH, dtype=np.float32))
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{name}.{part}.weight", weights(WIDTH, WIDTH))
        writer.add_tensor(f"{name}.ffn_norm.weight", np.ones(WIDTH, dtype=np.float32))
        writer.add_tensor(f"{name}.ffn_gate.weight", weights(FEED_FORWARD, WIDTH))
        writer.add_tensor(f"{name}.ffn_up.weight", weights(FEED_FORWARD, WIDTH))
        writer.add_tensor(f"{name}.ffn_down.weight", weights(WIDTH, FEED_FORWARD))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    # llama.cpp logs to standard output: that line is for our reader alone.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.gguf"
        write_model(model)
        params = xllamacpp.CommonParams()
        params.model.path = str(model)
        params.n_ctx = CONTEXT
        params.n_parallel = 1
        params.warmup = False
        server = xllamacpp.Server(params)
        print(f"listening {server.listening_address}", file=answer, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
