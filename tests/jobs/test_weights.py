"""vrp weights at the terminal: what it prints, what it refuses, and what an import is good for."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from jobs.main import main
from model.build import check_weights
from model.checkpoints.state_dict import load_into, read_card, read_state_dict
from model.methods.vrp import build_vrp_encoder
from pipeline.weights.catalogue import CATALOGUE, Published
from schemas.errors import BadWeights
from schemas.job.method import READINGS, Vrp
from schemas.job.networks import Backbone, Sam
from schemas.names import BackboneType
from schemas.record.card import VrpCard
from tests.made.networks.published import PUBLISHED, numbered, vrp_sam, write_torch
from tests.made.servers.s3 import SECRET, Bucket
from tests.made.servers.web import Site, serve_web


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VRP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_web() as running:
        yield running


@pytest.fixture
def sam_file(tmp_path: Path) -> Path:
    return write_torch(tmp_path / "sam_vit_b.pth", numbered(PUBLISHED["sam_vit_b_01ec64"]))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["weights", *map(str, arguments)])
    captured = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else int(code is not None)), captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    code, out, err = run(capsys, *arguments)
    assert code == 2, out + err
    assert all(part in err for part in ("where:", "got:", "wanted:"))
    return err


def catalogued(monkeypatch: pytest.MonkeyPatch, address: str, data: bytes | None) -> None:
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    entry = Published(address, "sam", "vit_b", digest)
    monkeypatch.setitem(CATALOGUE, "ours", entry)


def test_every_name_is_listed_with_its_licence(capsys) -> None:
    code, out, _ = run(capsys, "list")
    assert code == 0
    for name, published in CATALOGUE.items():
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [name]]
        assert line.rstrip().endswith(published.licence)
        assert (published.sha256 or "")[:12] in line


def test_pull_prints_the_file_of_a_name(
    capsys, monkeypatch: pytest.MonkeyPatch, site: Site, sam_file: Path, cache: Path
) -> None:
    data = sam_file.read_bytes()
    catalogued(monkeypatch, site.put("sam.pth", data), data)
    code, out, _ = run(capsys, "pull", "ours")
    assert code == 0
    assert Path(out.strip()).is_relative_to(cache)
    assert Path(out.strip()).read_bytes() == data


def test_pull_refuses_a_published_file_that_is_another_network(
    capsys, monkeypatch: pytest.MonkeyPatch, site: Site, tmp_path: Path
) -> None:
    other = write_torch(tmp_path / "a.pth", numbered(PUBLISHED["resnet50-0676ba61"]))
    catalogued(monkeypatch, site.put("sam.pth", other.read_bytes()), None)
    said = refused(capsys, "pull", "ours")
    assert "backbone resnet50" in said
    assert "sam vit_b" in said


def test_pull_refuses_a_web_page(capsys, site: Site) -> None:
    address = site.put("sam.pth", b"<!DOCTYPE html><html>Sign in</html>")
    assert "a web page" in refused(capsys, "pull", address)


def test_pull_refuses_a_name_that_is_none(capsys) -> None:
    assert "vrp weights list" in refused(capsys, "pull", "sam_vit_x")


def test_verify_says_what_a_file_is(
    capsys, monkeypatch: pytest.MonkeyPatch, sam_file: Path
) -> None:
    digest = hashlib.sha256(sam_file.read_bytes()).hexdigest()
    code, out, _ = run(capsys, "verify", sam_file)
    assert code == 0
    assert "fits:   sam vit_b\n" in out
    assert f"sha256: {digest}\n" in out
    assert "not a catalogued file" in out
    catalogued(monkeypatch, "https://nowhere.invalid/sam.pth", sam_file.read_bytes())
    assert "known:  ours\n" in run(capsys, "verify", sam_file)[1]


def test_verify_names_the_key_that_does_not_fit(capsys, tmp_path: Path) -> None:
    state = numbered(PUBLISHED["sam_vit_b_01ec64"])
    state["mask_decoder.iou_token.weight"] = torch.zeros(2, 256)
    said = refused(capsys, "verify", write_torch(tmp_path / "a.pth", state))
    assert "mask_decoder.iou_token.weight (2, 256), wanted (1, 256)" in said


def test_verify_refuses_a_file_that_was_cut_off(capsys, sam_file: Path) -> None:
    sam_file.write_bytes(sam_file.read_bytes()[:-100])
    assert "a damaged file" in refused(capsys, "verify", sam_file)


def test_verify_reads_from_s3_without_printing_the_secret(
    capsys, monkeypatch: pytest.MonkeyPatch, bucket: Bucket, sam_file: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    uri = bucket.put("a.pth", sam_file.read_bytes())
    options = ("--endpoint-url", bucket.storage.endpoint_url, "--region", "us-east-1")
    code, out, err = run(capsys, "verify", uri, *options)
    assert code == 0, err
    assert "fits:   sam vit_b\n" in out
    assert SECRET not in out + err
    assert f"{bucket.uri}/none.pth" in refused(capsys, "verify", f"{bucket.uri}/none.pth", *options)


def imported(
    capsys: pytest.CaptureFixture[str], folder: Path, backbone: str, backbone_type: BackboneType
) -> Vrp:
    """Import a checkpoint of the public code; return the method that uses what was written."""
    best = write_torch(folder / "best_model.pt", numbered(vrp_sam(backbone)))
    vrp, features = folder / "vrp.safetensors", folder / "backbone.safetensors"
    options = ("--fold", "coco-20i/2", "--label-type", "box", "--backbone-output", features)
    code, out, err = run(capsys, "import", best, vrp, *options)
    assert code == 0, err
    assert out.split() == [str(vrp), str(features)]
    return Vrp(
        type="vrp",
        weights=str(vrp),
        sam=Sam(type="vit_h", weights="random"),
        backbone=Backbone(type=backbone_type, weights=str(features)),
        reading=READINGS["authors_code"],
    )


@pytest.mark.parametrize(
    ("backbone", "backbone_type"),
    [("resnet50", "resnet50s"), ("resnet101", "resnet101s"), ("vgg16", "vgg16_bn")],
)
def test_an_imported_checkpoint_is_what_a_job_loads(
    capsys, tmp_path: Path, backbone: str, backbone_type: BackboneType
) -> None:
    method = imported(capsys, tmp_path, backbone, backbone_type)
    check_weights(method)
    encoder = build_vrp_encoder(method)
    load_into(read_state_dict(Path(method.weights)), encoder, "here")
    theirs = numbered(vrp_sam(backbone))
    layer = "module.transformer_decoder.transformer_cross_attention_layers"
    assert encoder.queries.equal(theirs["module.transformer_decoder.supp_q_feat.weight"])
    assert encoder.merge.weight.equal(theirs["module.merge_1.0.weight"])
    for ours, their_layer in (
        (encoder.reference_cross, f"{layer}_0.0"),
        (encoder.target_cross, f"{layer}.0"),
    ):
        weight = theirs[f"{their_layer}.multihead_attn.in_proj_weight"]
        assert ours.attention.in_proj_weight.equal(weight)


def test_an_imported_checkpoint_says_what_it_is(capsys, tmp_path: Path) -> None:
    method = imported(capsys, tmp_path, "vgg16", "vgg16_bn")
    card = read_card(Path(method.weights))
    assert isinstance(card, VrpCard)
    assert (card.sam, card.backbone, card.queries) == ("vit_h", "vgg16_bn", 50)
    assert (card.fold, card.label_types) == ("coco-20i/2", ("box",))
    out = run(capsys, "verify", method.weights)[1]
    assert "fits:   vrp vgg16_bn\n" in out
    assert '"fold": "coco-20i/2"' in out


def test_verify_names_the_cards_backbone_alone(capsys, tmp_path: Path) -> None:
    method = imported(capsys, tmp_path, "resnet101", "resnet101s")
    assert "fits:   vrp resnet101s\n" in run(capsys, "verify", method.weights)[1]
    assert "fits:   backbone resnet101s\n" in run(capsys, "verify", method.backbone.weights)[1]


def test_imported_files_may_be_read_by_whom_the_umask_lets(capsys, tmp_path: Path) -> None:
    method = imported(capsys, tmp_path, "vgg16", "vgg16_bn")
    (tmp_path / "plain").touch()
    mode = (tmp_path / "plain").stat().st_mode
    for written in (method.weights, method.backbone.weights):
        assert Path(written).stat().st_mode == mode


def test_an_imported_checkpoint_may_be_read_with_either_enlargement(capsys, tmp_path: Path) -> None:
    method = imported(capsys, tmp_path, "vgg16", "vgg16_bn")
    other = READINGS["authors_code"].model_copy(update={"align_corners": False})
    check_weights(method.model_copy(update={"reading": other}))


def test_an_imported_checkpoint_is_refused_for_the_papers_reading(capsys, tmp_path: Path) -> None:
    method = imported(capsys, tmp_path, "resnet50", "resnet50s")
    with pytest.raises(BadWeights, match="VRP weights of another method"):
        check_weights(method.model_copy(update={"reading": READINGS["paper"]}))


def test_import_refuses_what_the_public_code_did_not_write(
    capsys, tmp_path: Path, sam_file: Path
) -> None:
    said = refused(capsys, "import", sam_file, tmp_path / "vrp.safetensors")
    assert "not a checkpoint of the public VRP-SAM code" in said
    state = numbered(vrp_sam("resnet50"))
    del state["module.layer3.5.conv2.weight"]
    best = write_torch(tmp_path / "best_model.pt", state)
    said = refused(capsys, "import", best, tmp_path / "vrp.safetensors")
    assert "1 missing: layer3.5.conv2.weight" in said
    assert not (tmp_path / "vrp.safetensors").exists()


def test_import_writes_no_other_format(capsys, tmp_path: Path) -> None:
    best = write_torch(tmp_path / "best_model.pt", numbered(vrp_sam("vgg16")))
    assert ".safetensors" in refused(capsys, "import", best, tmp_path / "vrp.pth")
