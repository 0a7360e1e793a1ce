"""The graph hypernetwork: any network in, its parameters out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ghn.checkpoints import check_entries, ghn_entries, matching_state, read_ghn, write_ghn
from ghn.checks import check_network
from ghn.config import GHNConfig
from ghn.decoding.accuracy import AccuracyEstimate, AccuracyHead, estimate
from ghn.decoding.batching import decode
from ghn.decoding.decoders import ConvDecoder, VectorDecoder, scale_last_layers
from ghn.decoding.factored_weight import weight_of
from ghn.decoding.lowrank import LowRankDecoder
from ghn.decoding.noise import gaussian
from ghn.decoding.parameter_targets import ParameterTarget
from ghn.decoding.tiling import tile_to
from ghn.decoding.writing import check_writable, replace_parameters, whole, write_parameters
from ghn.parts import make_decoder, make_trunk
from ghn.pretrained_files import resolve
from ghn.reading.class_layers import ClassLayers, targets_in
from ghn.reading.passes import Modes, graph_of, predictable, read_network
from ghn.trunks.shape_encoder import ShapeEncoder
from graph2nn.archgraph import PRIMITIVES, ArchGraph
from graph2nn.training.precise_bn import use_batch_statistics

__all__ = ["GHN"]


class GHN(nn.Module):
    """Graph hypernetwork: predicts all parameters of a network from its graph in one forward pass.

    GHN-1 (arXiv:1810.05749), GHN-2 and its MLP baseline (arXiv:2110.13100) and GHN-3
    (arXiv:2303.04143) differ only in their `GHNConfig`. Parameters that the published graphs leave
    out (class tokens, layer scales, relative position tables, recurrent weights) are predicted too,
    from a second pass over the graph that holds every parameter, so the published ones keep their
    published values.

    Args:
        config: Configuration; or give its fields as keywords.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> ghn = GHN(hid=16, max_shape=(16, 16, 3, 3))
        >>> net = nn.Sequential(
        ...     nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
        >>> sorted(ghn.predict(net, torch.zeros(1, 3, 8, 8)))
        ['0.bias', '0.weight', '3.bias', '3.weight']
    """

    def __init__(self, config: GHNConfig | None = None, **fields: Any) -> None:
        super().__init__()
        c = self.config = replace(config, **fields) if config else GHNConfig(**fields)
        self.embed = nn.Embedding(len(PRIMITIVES), c.hid)
        self.shape_enc = ShapeEncoder(c.hid, c.num_classes, c.max_shape)
        self.gnn = make_trunk(c)
        self.ln = nn.LayerNorm(c.hid) if c.layernorm else None
        self.decoder = make_decoder(c)
        length = c.rank if c.decoder == "lowrank" else max(c.max_shape[:2])
        self.decoder_1d = VectorDecoder(c.hid, length)
        self.bias_class: nn.Sequential | None = None
        if c.decoder != "lowrank":  # whose classes have vectors of their own
            self.bias_class = nn.Sequential(nn.ReLU(), nn.Linear(length, c.num_classes))
        self.noise = nn.Linear(c.noise, c.hid, bias=False) if c.noise else None
        if c.is_ghn3:
            self._init_ghn3()
        self.accuracy_head = AccuracyHead(c.hid) if c.accuracy else None

    @classmethod
    def load(cls, path: str | Path, *, device: str | torch.device = "cpu") -> GHN:
        """Load a hypernetwork in evaluation mode from a checkpoint: ours, ppuda's or GHN-3's.

        Raises:
            FileNotFoundError: No such file.
            ValueError: A damaged file, one of another kind, format or vocabulary, or tensors that
                do not fit the configuration.
        """
        config, state, _ = read_ghn(path)
        return cls._filled(path, config, state).to(device).eval()

    def save(self, path: str | Path, **more: Any) -> Path:
        """Write weights, configuration and vocabulary to one file, whole or not at all.

        Args:
            path: Path of the file; one that ends in `.safetensors` gives that layout.
            more: Further entries, JSON-able values and (but for that layout) tensors of any shape.

        Raises:
            ValueError: An entry that cannot be saved.
            OSError: Full disk, no permission, ...; no partial file stays behind.
        """
        return write_ghn(path, ghn_entries(self.config, self.state_dict(), **more))

    def saved_state(self) -> dict[str, Any]:
        """Return what the file of a predictor keeps of its hypernetwork."""
        return ghn_entries(self.config, self.state_dict(), training=self.training)

    @classmethod
    def from_saved_state(cls, state: Mapping[str, Any]) -> GHN:
        """Make the hypernetwork whose `saved_state` this is.

        Raises:
            ValueError: Another vocabulary, or tensors that do not fit the configuration.
        """
        where = "a hypernetwork"
        check_entries(where, state)
        config = GHNConfig.from_dict(state["config"])
        return cls._filled(where, config, state["state_dict"]).train(bool(state["training"]))

    @classmethod
    def _filled(cls, path: str | Path, config: GHNConfig, state: Mapping[str, Tensor]) -> GHN:
        """A hypernetwork with the weights of a file; no memory is taken for others before."""
        if config.layers > len(state):
            raise ValueError(f"{path} has {len(state)} weights for {config.layers} layers")
        with torch.device("meta"):
            ghn = cls(config)
        ghn.load_state_dict(matching_state(path, ghn.state_dict(), state), assign=True)
        return ghn

    @classmethod
    def from_pretrained(cls, name: str, *, device: str | torch.device = "cpu") -> GHN:
        """Load a shipped or published hypernetwork by name or path; see `ghn.from_pretrained`."""
        return cls.load(resolve(name), device=device)

    @property
    def view(self) -> Literal["ghn2", "ghn3"]:
        """Which published graph the hypernetwork reads: `ghn2` or `ghn3`."""
        return "ghn3" if self.config.is_ghn3 else "ghn2"

    def forward(
        self,
        model: nn.Module,
        input: Any = None,
        *,
        graph: ArchGraph | None = None,
        predict_class_layers: ClassLayers = True,
        training: Modes = "both",
        bn_train: bool = True,
        bn_track_running_stats: bool | None = None,
        keep_grads: bool = False,
        return_embeddings: bool = False,
    ) -> nn.Module | tuple[nn.Module, Tensor]:
        """Write the predicted parameters into `model` and return it.

        All are written, or none. Those of whole numbers keep their values.

        Args:
            model: Any network; its parameters are overwritten in place, on whatever device they
                are.
            input: Example input for tracing; by default images of the network's expected size. A
                graph in its place is taken for `graph`.
            graph: The network's graph, if at hand; saves the tracing.
            predict_class_layers: Whether the classification layer is predicted; False leaves it
                alone (fine-tuning on another label set). `auto` predicts any network: a last layer
                with another number of classes (of backbones, segmenters, regressors) as an ordinary
                one, and images may have other channels.
            training: Whether the network is traced in train mode or eval mode; `both` reads it in
                eval mode for what train mode leaves out (layers that were dropped, what only
                evaluation uses).
            bn_train: Whether batch normalisation uses the statistics of each batch, as evaluation
                of predicted parameters needs: no running statistics were ever collected. Call after
                `model.eval()`, which would undo it.
            bn_track_running_stats: GHN-3's name of the opposite of `bn_train`, which counts if it
                is given.
            keep_grads: Whether tensors with gradient take the place of the parameters, to train the
                hypernetwork through `model`. `predict` with `torch.func.functional_call` is the
                cleaner way.
            return_embeddings: Whether the node states, (N, h), are returned, too.

        Raises:
            ValueError: The network does not fit the hypernetwork (number of classes or channels)
                or the graph, has no parameters, or none with values (meta device), or is no
                network. Nothing was overwritten then.
        """
        check_network(model)
        with (
            whole(model, keep=True),
            torch.set_grad_enabled(keep_grads and torch.is_grad_enabled()),
        ):
            own = predictable(model)
            if not keep_grads:
                check_writable(own)
            reading = read_network(
                self,
                model,
                input,
                graph=graph,
                class_layers=predict_class_layers,
                training=training,
            )
            passes = list(reading)
            blocks = [pair for targets, x in passes for pair in decode(self, x, targets)]
            if keep_grads:
                replace_parameters(model, blocks)
            else:
                write_parameters(own, blocks)
        if bn_train if bn_track_running_stats is None else not bn_track_running_stats:
            use_batch_statistics(model)
        return (model, passes[0][1]) if return_embeddings else model

    def predict(
        self,
        model: nn.Module,
        input: Any = None,
        *,
        graph: ArchGraph | None = None,
        predict_class_layers: ClassLayers = True,
        training: Modes = "both",
        factored: bool = False,
    ) -> dict[str, Tensor]:
        """Predict all parameters of `model` as a dict for `torch.func.functional_call`.

        `model` is left untouched; tensors have the shapes of its parameters and are differentiable
        with respect to the hypernetwork. Arguments are those of `forward`. `factored` keeps the
        weights of the decoder `lowrank` as factors (`FactoredWeight`): layers run and learn without
        a tensor of the weight's size.
        """
        how: dict[str, Any] = {"class_layers": predict_class_layers, "training": training}
        return self._decoded(model, input, [None], factored=factored, graph=graph, **how)[0]

    def sample(
        self,
        model: nn.Module,
        n: int,
        input: Any = None,
        *,
        seed: int | torch.Generator = 0,
        graph: ArchGraph | None = None,
        predict_class_layers: ClassLayers = True,
        training: Modes = "both",
    ) -> list[dict[str, Tensor]]:
        """Draw several sets of parameters for `model`, each as `predict` gives one.

        A Gaussian vector, the same for all nodes of the network, is projected and added to the node
        states before they are decoded; `predict` decodes its mean, zero. Other arguments are those
        of `forward`.

        Args:
            model: Any network; left untouched.
            n: Number of samples.
            seed: Seed, or a generator on the CPU, which advances.

        Raises:
            ValueError: The hypernetwork has no noise, or no sample is asked for.

        Examples:
            >>> ghn = GHN(hid=16, max_shape=(16, 16, 3, 3), noise=4)
            >>> one, other = ghn.sample(nn.Linear(8, 10), 2, torch.zeros(1, 8), seed=1)
            >>> bool((one["weight"] == other["weight"]).all())
            False
        """
        if n < 1:
            raise ValueError(f"n: expected at least 1 sample, got {n}")
        if not isinstance(seed, torch.Generator):
            seed = torch.Generator().manual_seed(seed)
        shifts = [self._shifts(one) for one in gaussian(n, self.config.noise, seed)]
        how: dict[str, Any] = {"class_layers": predict_class_layers, "training": training}
        return self._decoded(model, input, shifts, graph=graph, **how)

    def predict_graphs(
        self,
        graphs: Sequence[ArchGraph],
        *,
        noise: Tensor | None = None,
        predict_class_layers: ClassLayers = True,
    ) -> list[dict[str, Tensor]]:
        """Predict the parameters of a batch of networks from their graphs alone, one dict a graph.

        Differentiable. Nothing is instantiated: the graphs carry every name and shape. This is what
        training uses.

        Args:
            graphs: Graphs of B networks.
            noise: Noise of each network (see `sample`); None for its mean, zero.
            predict_class_layers: What becomes of classification layers, as in `forward`.

        Raises:
            ValueError: A classification layer of another size than the hypernetwork's.

        Shapes: noise (B, config.noise).
        """
        targets = self.targets(graphs, predict_class_layers=predict_class_layers)
        x = self.encode(graphs)
        if noise is not None:
            sizes = torch.tensor([graph.num_nodes for graph in graphs], device=x.device)
            x = x + self._shifts(noise).repeat_interleave(sizes, dim=0)
        predicted: list[dict[str, Tensor]] = [{} for _ in graphs]
        for target, block in decode(self, x, targets):
            predicted[target.graph][target.name] = tile_to(block, target)
        return predicted

    def encode(self, graphs: Sequence[ArchGraph]) -> Tensor:
        """Compute the final states of all nodes of all graphs, (N, h)."""
        for graph in graphs:
            if graph.ops != PRIMITIVES:
                raise ValueError(
                    f"a hypernetwork reads graphs of the {len(PRIMITIVES)} primitives, "
                    f"got {graph!r} with "
                    f"{len(graph.ops)} operations: trace with view={self.view!r}"
                )
        device = self.embed.weight.device
        op = np.concatenate([g.op for g in graphs]).astype(np.int64)
        shape = np.concatenate([g.shape for g in graphs]).astype(np.int64)
        x = self.embed(torch.from_numpy(op).to(device))
        x = x + self.shape_enc(torch.from_numpy(shape).to(device))
        x = self.gnn(x, graphs)
        return x if self.ln is None else self.ln(x)

    def embed_network(self, model: nn.Module | ArchGraph, input: Any = None) -> Tensor:
        """Embed a network as the mean of its node states, (h,).

        See arXiv:2110.13100, section 5.3. The published graph is read; where that has no nodes for
        weights of layers (3-d convolutions, recurrent layers), the graph with every parameter.
        """
        return self.encode([graph_of(self, model, input)]).mean(0)

    @torch.no_grad()
    def predict_accuracy(
        self,
        networks: nn.Module | ArchGraph | Sequence[nn.Module | ArchGraph],
        input: Any = None,
        *,
        parameters: Literal["trained", "predicted"] = "trained",
    ) -> AccuracyEstimate:
        """Predict how accurate networks are, in evaluation mode, from their graphs alone.

        The second output of a hypernetwork that was trained with labelled networks
        (`experiments/train_ghn.py --accuracy`; cf. HyperNAS, arXiv:2509.18151).

        Args:
            networks: Network, its graph, or several of them in a list.
            input: Example input for tracing, as in `forward`.
            parameters: Parameters that the networks are meant to have: trained ones give the label
                of the table, in its units; predicted ones the top-1 accuracy in percent under those
                that this hypernetwork predicts.

        Returns:
            Means and standard deviations: two numbers of one network, two tensors of a list.

        Shapes:
            (n,) each, of a list of n networks.

        Raises:
            ValueError: The hypernetwork has no head for accuracies, or the list is empty.

        Examples:
            >>> from graph2nn.deepnets import DARTS, NetConfig, build_graph
            >>> graph = build_graph(NetConfig(genotype=DARTS, n_cells=2, C=8))
            >>> ghn = GHN(hid=8, max_shape=(8, 8, 3, 3), accuracy=True)
            >>> ghn.predict_accuracy([graph, graph]).mean.shape
            torch.Size([2])
        """
        if not isinstance(networks, nn.Module | ArchGraph):
            graphs = [graph_of(self, network, input) for network in networks]
            return AccuracyEstimate(*estimate(self, graphs, parameters))
        mean, std = estimate(self, [graph_of(self, networks, input)], parameters)
        return AccuracyEstimate(mean.item(), std.item())

    def targets(
        self, graphs: Sequence[ArchGraph], *, predict_class_layers: ClassLayers = True
    ) -> list[ParameterTarget]:
        """List what must be predicted for a batch of graphs; check that it can be.

        Raises:
            ValueError: A classification layer of another size than the hypernetwork's.
        """
        found: list[ParameterTarget] = []
        row = 0
        for index, graph in enumerate(graphs):
            how = predict_class_layers
            found.extend(targets_in(graph, self.config, how, row=row, index=index))
            row += graph.num_nodes
        return found

    def _shifts(self, noise: Tensor) -> Tensor:
        """What noise adds to node states, (..., config.noise) -> (..., h)."""
        if self.noise is None:
            raise ValueError(
                "this hypernetwork has no noise to draw from, so all samples would be the same: "
                "take predict, or train one with GHNConfig(noise=...) (train_ghn.py --noise 16)"
            )
        return self.noise(noise.to(self.noise.weight))

    def _decoded(
        self,
        model: nn.Module,
        input: Any,
        shifts: Iterable[Tensor | None],
        *,
        factored: bool = False,
        **how: Any,
    ) -> list[dict[str, Tensor]]:
        """The parameters of `model`, in their order, for each shift of the node states."""
        check_network(model)
        fit = weight_of if factored else tile_to
        found: list[tuple[Tensor | None, dict[str, Tensor]]] = [(shift, {}) for shift in shifts]
        with whole(model, keep=False):
            for targets, x in read_network(self, model, input, **how):
                for shift, predicted in found:
                    for target, block in decode(self, x if shift is None else x + shift, targets):
                        predicted[target.name] = fit(block, target)
            names = [name for name, _ in model.named_parameters()]
        return [{n: predicted[n] for n in names if n in predicted} for _, predicted in found]

    def _init_ghn3(self) -> None:
        """GHN-3's start: embeddings truncated normal (std h^-1/2), last decoder layers shrunk."""
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.trunc_normal_(module.weight, std=self.config.hid**-0.5, a=-2, b=2)
        scale_last_layers(self.decoder_1d.fc[2])
        if isinstance(self.decoder, ConvDecoder):
            scale_last_layers(self.decoder.conv[2], self.decoder.class_layer_predictor[1])
        elif isinstance(self.decoder, LowRankDecoder):
            scale_last_layers(self.decoder.conv[2])
