"""Two language models that differ in kind: attention, and a gated linear recurrence.

Both map symbols of shape (batch, time) to logits of shape (batch, time, vocabulary), with tied
embeddings and pre-normalised residual blocks.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

HEADS = 2
CONVOLUTION = 4  # taps
ROTATION_BASE = 1000.0

Activations = Float[Array, "batch time width"]


class Attention(eqx.Module):
    """Causal attention with rotary positions."""

    inward: Float[Array, "width three_widths"]
    outward: Float[Array, "width width"]

    def __init__(self, width: int, key: Array) -> None:
        self.inward = _matrix(key, width, 3 * width)
        self.outward = jnp.zeros((width, width))

    def __call__(self, x: Activations) -> Activations:
        batch, time, width = x.shape
        heads = (x @ self.inward).reshape(batch, time, 3, HEADS, width // HEADS)
        query, key, value = heads[:, :, 0], heads[:, :, 1], heads[:, :, 2]
        scores = jnp.einsum("bqhd,bkhd->bhqk", _rotated(query), _rotated(key))
        causal = jnp.tril(jnp.ones((time, time), bool))
        scores = jnp.where(causal, scores * (width // HEADS) ** -0.5, -jnp.inf)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), value)
        return mixed.reshape(batch, time, width) @ self.outward


class Recurrence(eqx.Module):
    """A short convolution, then a linear recurrence whose forgetting depends on the input.

    In the spirit of minGRU (Feng et al. 2024) and Griffin (De et al. 2024).
    """

    inward: Float[Array, "width three_states"]
    convolution: Float[Array, "taps states"]
    memory: Float[Array, " states"]
    outward: Float[Array, "states width"]

    def __init__(self, width: int, key: Array) -> None:
        states = 3 * width // 2
        self.inward = _matrix(key, width, 3 * states)
        # the current symbol passes, earlier ones enter as they are learned
        self.convolution = jnp.zeros((CONVOLUTION, states)).at[-1].set(1.0)
        self.memory = jnp.linspace(0.0, 5.0, states)  # half-lives from 1 to about 100 symbols
        self.outward = jnp.zeros((states, width))

    def __call__(self, x: Activations) -> Activations:
        value, forget, gate = jnp.split(x @ self.inward, 3, axis=-1)
        padded = jnp.pad(value, ((0, 0), (CONVOLUTION - 1, 0), (0, 0)))
        time = x.shape[1]
        value = sum(
            padded[:, tap : tap + time] * self.convolution[tap] for tap in range(CONVOLUTION)
        )
        keep = jax.nn.sigmoid(forget + self.memory)

        def forward(state, now):
            kept, entering = now
            state = kept * state + entering
            return state, state

        moved = tuple(jnp.moveaxis(part, 1, 0) for part in (keep, (1 - keep) * value))
        _, states = jax.lax.scan(forward, jnp.zeros_like(moved[0][0]), moved, unroll=8)
        return (jnp.moveaxis(states, 0, 1) * jax.nn.silu(gate)) @ self.outward


class Feedforward(eqx.Module):
    """Two matrices with GELU between."""

    inward: Float[Array, "width hidden"]
    outward: Float[Array, "hidden width"]

    def __init__(self, width: int, expansion: int, key: Array) -> None:
        self.inward = _matrix(key, width, expansion * width)
        self.outward = jnp.zeros((expansion * width, width))

    def __call__(self, x: Activations) -> Activations:
        return jax.nn.gelu(x @ self.inward) @ self.outward


class Block(eqx.Module):
    """One layer: mixing over time, then a feed-forward step, each on the normalised stream."""

    mixer: Attention | Recurrence
    feedforward: Feedforward
    gains: Float[Array, "two width"]

    def __call__(self, x: Activations) -> Activations:
        x = x + self.mixer(_normed(x) * self.gains[0])
        return x + self.feedforward(_normed(x) * self.gains[1])


class LanguageModel(eqx.Module):
    """Embedding, blocks, and logits by the same embedding."""

    embedding: Float[Array, "vocabulary width"]
    blocks: tuple[Block, ...]
    gain: Float[Array, " width"]

    def __call__(self, symbols: Int[Array, "batch time"]) -> Float[Array, "batch time vocabulary"]:
        x = self.embedding[symbols] * self.embedding.shape[1] ** 0.5
        for block in self.blocks:
            x = block(x)
        return (_normed(x) * self.gain) @ self.embedding.T


def build(architecture: str, width: int, depth: int, vocabulary: int, key: Array) -> LanguageModel:
    """Return a freshly drawn model; both kinds have about 12 width^2 parameters a layer."""
    mixer, expansion = {"transformer": (Attention, 4), "recurrent": (Recurrence, 3)}[architecture]
    first, *keys = jax.random.split(key, 1 + 2 * depth)
    return LanguageModel(
        embedding=jax.random.normal(first, (vocabulary, width)) * width**-0.5,
        blocks=tuple(
            Block(
                mixer=mixer(width, keys[2 * layer]),
                feedforward=Feedforward(width, expansion, keys[2 * layer + 1]),
                gains=jnp.ones((2, width)),
            )
            for layer in range(depth)
        ),
        gain=jnp.ones(width),
    )


def parameter_count(model: LanguageModel) -> int:
    """Return the number of trained parameters, the embedding counted once."""
    return sum(leaf.size for leaf in jax.tree.leaves(model))


def forward_flops(architecture: str, model: LanguageModel, context: int) -> float:
    """Return the FLOP of one symbol's forward pass: matrices, logits, and mixing over time.

    Two a weight of each matrix. Attention adds 4 width a symbol attended to, and attends to
    half of the context on average; the recurrence adds 2 a tap and about 10 for gates and state.
    """
    matrices = 2.0 * sum(leaf.size for leaf in jax.tree.leaves(model) if leaf.ndim == 2)
    width, depth = model.embedding.shape[1], len(model.blocks)
    if architecture == "transformer":
        return matrices + depth * 4.0 * width * context / 2
    return matrices + depth * 10.0 * (3 * width // 2)


def _matrix(key: Array, inputs: int, outputs: int) -> Array:
    return jax.random.normal(key, (inputs, outputs)) * inputs**-0.5


def _normed(x: Array) -> Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6)


def _rotated(x: Float[Array, "batch time heads size"]) -> Float[Array, "batch time heads size"]:
    half = x.shape[-1] // 2
    angles = jnp.arange(x.shape[1])[:, None] * ROTATION_BASE ** (-jnp.arange(half) / half)
    cosine, sine = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    first, second = x[..., :half], x[..., half:]
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], -1)
