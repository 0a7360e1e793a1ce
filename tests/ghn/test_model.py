"""The hypernetwork's interface: writing in place, predicting, coverage of odd parameters."""

from __future__ import annotations

import gc

import pytest
import torch
from modules import IMAGES, MODULES, WORDS, Tied, head, run
from torch import Tensor, nn
from torch.func import functional_call

from ghn import GHN, GHNConfig, use_batch_statistics
from graph2nn.archgraph import trace

HYPERNETS = ("gatedgnn", "mlp", "graphormer", "tokens")


def values(model: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


@pytest.mark.parametrize("decoder", ["conv", "mlp", "lowrank"])
@pytest.mark.parametrize("hypernet", HYPERNETS)
def test_writes_in_place_and_returns_the_model(tiny, convnet, hypernet, decoder) -> None:
    ghn, model = tiny(hypernet=hypernet, decoder=decoder), convnet()
    before = {n: (id(p), p.data_ptr()) for n, p in model.named_parameters()}
    old = values(model)
    assert ghn(model, IMAGES) is model
    assert {n: (id(p), p.data_ptr()) for n, p in model.named_parameters()} == before
    assert all(not torch.equal(p, old[n]) for n, p in model.named_parameters())
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in model.parameters())
    assert model(IMAGES).isfinite().all()


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize("hypernet", HYPERNETS)
def test_predict_gives_what_forward_writes(tiny, convnet, hypernet, weight_norm) -> None:
    ghn = tiny(hypernet=hypernet, weight_norm=weight_norm)
    model = convnet(width=20)
    predicted = ghn.predict(model, IMAGES)
    written = dict(ghn(model, IMAGES).named_parameters())
    assert list(predicted) == list(written)
    # with gradients, attention may run through another kernel
    torch.testing.assert_close(predicted, written, rtol=1e-4, atol=1e-6)


def test_predict_leaves_the_model_untouched(tiny, convnet) -> None:
    model = convnet().train()
    model[3].eval()
    before, modes = values(model), [m.training for m in model.modules()]
    tiny().predict(model, IMAGES)
    assert same(values(model), before)
    assert [m.training for m in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("hypernet", HYPERNETS)
def test_predict_is_differentiable(tiny, convnet, hypernet) -> None:
    ghn, model = tiny(hypernet=hypernet), convnet()
    parameters = ghn.predict(model, IMAGES)
    logits = functional_call(model, parameters, (IMAGES,))
    logits.square().sum().backward()
    unused = [n for n, p in ghn.named_parameters() if p.grad is None]
    assert not unused
    assert all(p.grad.isfinite().all() for p in ghn.parameters())
    assert any(p.grad.any() for p in ghn.gnn.parameters())
    assert all(p.grad is None for p in model.parameters())


def test_keep_grads(tiny, convnet) -> None:
    """Gradients through a model whose parameters were replaced equal those of `predict`."""
    ghn, model = tiny(), convnet()
    loss = functional_call(model, ghn.predict(model, IMAGES), (IMAGES,)).square().sum()
    expected = torch.autograd.grad(loss, list(ghn.parameters()))
    model = ghn(model, IMAGES, keep_grads=True, bn_train=False)
    assert not list(model.parameters()) and model[0].weight.grad_fn is not None
    found = torch.autograd.grad(model(IMAGES).square().sum(), list(ghn.parameters()))
    torch.testing.assert_close(found, expected)


def test_predict_graphs_equals_predict(tiny, convnet) -> None:
    ghn = tiny()
    models = [convnet(width=w) for w in (4, 9)]
    graphs = [trace(m, IMAGES, view="ghn2") for m in models]
    for model, predicted in zip(models, ghn.predict_graphs(graphs), strict=True):
        torch.testing.assert_close(predicted, ghn.predict(model, IMAGES))


def test_a_given_graph_saves_the_tracing(tiny, convnet, monkeypatch) -> None:
    ghn, model = tiny(), convnet()
    graph = trace(model, IMAGES, view="ghn2")
    expected = ghn.predict(model, IMAGES)
    monkeypatch.setattr("ghn.reading.passes.trace", lambda *_, **__: pytest.fail("traced"))
    assert same(ghn.predict(model, graph=graph), expected)


@pytest.mark.parametrize("width", [6, 20])
@pytest.mark.parametrize("hypernet", HYPERNETS)
def test_without_class_layers(tiny, convnet, hypernet, width: int) -> None:
    ghn = tiny(hypernet=hypernet, num_classes=10)
    model = convnet(num_classes=7, width=width)
    old = values(model)
    ghn(model, IMAGES, predict_class_layers=False)
    kept = {n for n, p in model.named_parameters() if torch.equal(p, old[n])}
    assert kept == {"5.weight", "5.bias"}
    predicted = ghn.predict(model, IMAGES, predict_class_layers=False)
    assert set(predicted) == {"0.weight", "0.bias", "1.weight", "1.bias"}


def test_return_embeddings(tiny, convnet) -> None:
    ghn, model = tiny(), convnet()
    graph = trace(model, IMAGES, view="ghn2")
    returned, x = ghn(model, IMAGES, return_embeddings=True)
    assert returned is model and x.shape == (graph.num_nodes, 8)
    with torch.no_grad():
        assert torch.equal(x, ghn.encode([graph]))


def test_embed_network(tiny, convnet) -> None:
    ghn, model = tiny(), convnet()
    graph = trace(model, IMAGES, view="ghn2")
    e = ghn.embed_network(model, IMAGES)
    assert e.shape == (8,)
    torch.testing.assert_close(e, ghn.encode([graph]).mean(0))
    assert torch.equal(e, ghn.embed_network(graph))
    assert not torch.equal(e, ghn.embed_network(convnet(width=30), IMAGES))


@pytest.mark.parametrize("bn_train", [False, True])
def test_batch_normalisation(tiny, convnet, bn_train: bool) -> None:
    model = tiny()(convnet().eval(), IMAGES, bn_train=bn_train)
    norm = model[1]
    assert norm.training is bn_train and norm.track_running_stats is not bn_train
    running = norm.running_mean.clone()
    model(IMAGES)
    assert torch.equal(norm.running_mean, running), "evaluation collects no statistics"
    assert not model.training


def test_batch_normalisation_under_the_name_of_ghn3(tiny, convnet) -> None:
    """True leaves it as it is, as there; it counts where both are given."""
    for track in (True, False):
        for more in ({}, {"bn_train": track}):
            norm = tiny()(convnet().eval(), IMAGES, bn_track_running_stats=track, **more)[1]
            assert norm.track_running_stats is track and norm.training is not track


def test_use_batch_statistics() -> None:
    norm = nn.BatchNorm2d(3).eval()
    use_batch_statistics(norm)
    shifted = norm(IMAGES + 5)
    assert shifted.mean().abs() < 1e-4


@pytest.mark.parametrize("hypernet", HYPERNETS)
@pytest.mark.parametrize("case", MODULES)
def test_every_parameter_is_predicted(tiny, case: str, hypernet: str) -> None:
    make, example = MODULES[case]
    model = make()
    old = values(model)
    predicted = tiny(hypernet=hypernet).predict(model, example)
    assert {n: p.shape for n, p in predicted.items()} == {
        n: p.shape for n, p in model.named_parameters()
    }
    assert all(p.isfinite().all() for p in predicted.values())
    assert same(values(model), old)
    out = run(model, example, predicted)
    assert out.shape[1] == 10 and out.isfinite().all()


def test_a_classifier_without_bias_is_decoded_as_one(tiny) -> None:
    ghn = tiny()
    model = MODULES["classifier without bias"][0]()
    kinds = {t.name: t.kind for t in ghn.targets([trace(model, IMAGES, view="ghn2")])}
    assert kinds["3.weight"] == "class_weight"


def test_tied_weights_stay_tied(tiny) -> None:
    model = tiny()(Tied(), WORDS)
    assert model.out.weight is model.embed.weight


def test_parameters_out_of_use_are_named_and_kept(tiny, convnet) -> None:
    model = convnet()
    model.spare = nn.Linear(3, 3)
    model.forward = lambda x: nn.Sequential(*list(model.children())[:-1])(x)
    old = values(model)
    with pytest.warns(UserWarning, match="2 parameters .* keep their values: spare.bias, spare"):
        tiny()(model, IMAGES)
    assert torch.equal(model.spare.weight, old["spare.weight"])
    assert not torch.equal(model[0].weight, old["0.weight"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_models_in_other_precision(tiny, convnet, dtype: torch.dtype) -> None:
    expected = tiny()(convnet(width=20), IMAGES)
    for example in (IMAGES.to(dtype), None):
        model = tiny()(convnet(width=20).to(dtype), example)
        assert {p.dtype for p in model.parameters()} == {dtype}
        for ours, theirs in zip(model.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs.to(dtype), rtol=0, atol=0)


def test_frozen_parameters_are_predicted_and_stay_frozen(tiny, convnet) -> None:
    model = convnet()
    model[0].requires_grad_(False)
    old = values(model)
    tiny()(model, IMAGES)
    assert not model[0].weight.requires_grad and model[5].weight.requires_grad
    assert not torch.equal(model[0].weight, old["0.weight"])


def test_a_model_without_values(tiny) -> None:
    """Shapes are enough: parameters for a network on the meta device, to run it with."""
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 6, 3), *head(6))
    predicted = tiny().predict(model, IMAGES)
    assert {p.device.type for p in predicted.values()} == {"cpu"}
    assert functional_call(model, predicted, (IMAGES,)).isfinite().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_models_on_another_device(tiny, convnet) -> None:
    expected = tiny()(convnet(), IMAGES)
    model = tiny()(convnet().cuda(), IMAGES)
    for ours, theirs in zip(model.parameters(), expected.parameters(), strict=True):
        assert ours.is_cuda
        torch.testing.assert_close(ours.cpu(), theirs)
    moved = tiny().cuda()(convnet(), IMAGES)
    for ours, theirs in zip(moved.parameters(), expected.parameters(), strict=True):
        assert not ours.is_cuda
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_hypernetwork_for_grey_images(tiny, convnet) -> None:
    """Without an example, tracing uses images of the hypernetwork's own channels and size."""
    ghn = tiny(in_channels=1, image_size=8)
    model = ghn(convnet(channels=1))
    assert model(IMAGES[:, :1]).isfinite().all()


def test_convolutions_declared_before_the_first(tiny) -> None:
    """What the network accepts counts, not the order in which its layers are declared."""

    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.second, self.first = nn.Conv2d(6, 6, 3), nn.Conv2d(3, 6, 3)
            self.head = nn.Linear(6, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.second(self.first(x)).mean((2, 3)))

    assert len(tiny().predict(Late())) == 6


def test_same_network_same_parameters(tiny, convnet) -> None:
    ghn = tiny()
    first, second = (ghn.predict(convnet(), IMAGES) for _ in range(2))
    assert same(first, second)


def test_library_code_draws_no_random_numbers(tiny, convnet) -> None:
    ghn, model = tiny(), convnet()
    state = torch.get_rng_state()
    ghn(model, IMAGES)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("hypernet", HYPERNETS)
def test_repeated_predictions_leave_nothing_behind(tiny, convnet, hypernet) -> None:
    """No tensors and no other objects, without help of the garbage collector."""
    ghn, model = tiny(hypernet=hypernet), convnet()

    def tensors() -> int:
        return sum(issubclass(type(o), Tensor) for o in gc.get_objects())

    for _ in range(3):
        ghn(model, IMAGES)
    gc.collect()
    gc.disable()
    try:
        before, objects = tensors(), len(gc.get_objects())
        for _ in range(20):
            ghn(model, IMAGES)
        after, grown = tensors(), len(gc.get_objects()) - objects
    finally:
        gc.enable()
    assert after == before
    assert grown <= 20, f"{grown / 20} objects a prediction"


def test_configuration_and_keywords() -> None:
    config = GHNConfig(hid=8, max_shape=(8, 8, 3, 3))
    assert GHN(config).config is not None
    assert GHN(config, num_classes=7).config.num_classes == 7
    assert GHNConfig.from_dict({**config.to_dict(), "debug_level": 1}) == config
