"""What must not be possible: attacks on configs, records, checkpoints, data, stores and the environment."""

from __future__ import annotations

import ast
import io
import json
import lzma
import os
import pickle
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from results.record import Record, RecordError, from_json
from results.store import Store
from runners.hardware import Hardware
from runners.run import AttemptRun
from tasks import images
from tasks.metering import Ledger

Bakeoff = Callable[..., Any]
TOP = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder in ("runners", "results", "tasks", "methods", "hydra_plugins")
    for path in (TOP / folder).rglob("*.py")
)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def one_record() -> dict[str, Any]:
    store = Store("outputs/store.sqlite")
    try:
        return dict(vars(store.records()[0]))
    finally:
        store.close()


# --- configs ---


@pytest.mark.parametrize(
    "target", ["os.system", "subprocess.Popen", "builtins.eval", "shutil.rmtree", "runners.run.Clock"]
)
def test_a_config_builds_plugins_only_and_imports_nothing_else(bakeoff: Bakeoff, arena: Path, target: str) -> None:
    (arena / "configs/method/urns/evil.yaml").write_text(
        f"_target_: {target}\ncard: {{role: baseline, source: here, version: 1, fidelity: none, title: evil}}\n"
    )
    said = bakeoff("run", "method=urns/evil", "task=urns/draws")
    assert said.code == 2
    assert f"{target} is outside the plugin packages" in said.err


def test_a_part_of_a_config_is_refused_before_its_module_is_imported(bakeoff: Bakeoff, arena: Path) -> None:
    (arena / "configs/task/urns/evil.yaml").write_text(
        (arena / "configs/task/urns/draws.yaml").read_text() + "\nextra: {_target_: antigravity.fly}\n"
    )
    assert bakeoff("run", "method=urns/mean", "task=urns/evil").code == 2


def test_yaml_that_asks_for_python_objects_is_a_broken_file(bakeoff: Bakeoff, arena: Path, tmp_path: Path) -> None:
    mark = tmp_path / "made"
    (arena / "configs/method/urns/evil.yaml").write_text(f"_target_: !!python/object/apply:os.mkdir ['{mark}']\n")
    said = bakeoff("list", "methods", "arena=urns")
    assert said.code == 0
    assert "could not determine a constructor" in said.out
    assert not mark.exists()


# --- pickles ---


def test_a_checkpoint_that_holds_code_is_refused_and_does_not_run(tmp_path: Path, one_core: Hardware) -> None:
    mark, file = tmp_path / "made", tmp_path / "cell.pt"
    torch.save({"state": Bomb(mark)}, file)
    run = AttemptRun(np.random.default_rng(0), Ledger(), one_core, tmp_path / "room", checkpoint_file=file)
    with pytest.raises(pickle.UnpicklingError):
        run.restore()
    assert not mark.exists()


def test_an_array_file_that_holds_objects_is_refused(tmp_path: Path) -> None:
    mark, file = tmp_path / "made", tmp_path / "table.npz"
    np.savez(file, rows=np.array([Bomb(mark)], dtype=object))
    with np.load(file) as content, pytest.raises(ValueError, match="allow_pickle"):
        content["rows"]
    assert not mark.exists()


def test_a_model_whose_weights_are_a_pickle_with_code_does_not_run_it(tmp_path: Path) -> None:
    from tasks.language_models import load_network

    (tmp_path / "model").mkdir()
    sizes = {"n_embd": 8, "n_head": 1, "n_layer": 1, "vocab_size": 16, "n_positions": 8}
    text = json.dumps({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], **sizes})
    (tmp_path / "model/config.json").write_text(text)
    torch.save({"transformer.wte.weight": Bomb(tmp_path / "made")}, tmp_path / "model/pytorch_model.bin")
    with pytest.raises(Exception):  # noqa: B017, PT011 (each version of transformers has its own)
        load_network(tmp_path / "model")
    assert not (tmp_path / "made").exists()


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def says(call: ast.Call, key: str, value: object) -> bool:
    return any(
        word.arg == key and isinstance(word.value, ast.Constant) and word.value.value == value for word in call.keywords
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(TOP).as_posix())
def test_no_module_reads_what_could_hold_code(path: Path) -> None:
    """Pickles travel between processes of one command only: through a worker's own pipe, and through a launcher."""
    own_pipe = {"runners/worker.py", "runners/shards.py"}
    for name, call in calls(ast.parse(path.read_text(encoding="utf-8"))):
        assert name not in ("eval", "exec", "os.system", "yaml.unsafe_load", "yaml.full_load", "joblib.load"), name
        assert name != "torch.load" or says(call, "weights_only", True)
        assert not name.endswith("np.load") or not says(call, "allow_pickle", True)
        assert not says(call, "shell", True)
        assert not says(call, "trust_remote_code", True)
        assert name not in ("pickle.load", "pickle.loads") or path.relative_to(TOP).as_posix() in own_pipe
        assert not name.endswith(".extractall"), "members are read one by one, into memory"


# --- records and paths ---


@pytest.mark.parametrize("key", ["task", "method", "id"])
@pytest.mark.parametrize("name", ["../../../evil", "/etc/evil", "urns/../../evil", "a\0b", ".."])
def test_a_record_cannot_name_a_place_outside_the_outputs(
    bakeoff: Bakeoff, tmp_path: Path, key: str, name: str
) -> None:
    bakeoff("run", "method=urns/mean", "task=urns/draws")
    content = one_record() | {key: name}
    with pytest.raises(RecordError, match=f"{key} .* is no name"):
        from_json(json.dumps(content), "a file")
    Path("evil").mkdir()
    Path("evil/record.json").write_text(json.dumps(content))
    said = bakeoff("import", "evil")
    assert said.code == 1
    assert f"{key} " in said.err


def test_a_record_whose_seed_is_a_path_is_refused(bakeoff: Bakeoff) -> None:
    bakeoff("run", "method=urns/mean", "task=urns/draws")
    with pytest.raises(RecordError, match="seed is no int"):
        from_json(json.dumps(one_record() | {"seed": "../../evil"}), "a file")


def test_a_note_of_a_waiting_record_cannot_name_a_file_elsewhere(bakeoff: Bakeoff, tmp_path: Path) -> None:
    bakeoff("run", "method=urns/mean", "task=urns/draws")
    record = one_record() | {"id": "stolen-1", "reason": "from elsewhere"}
    (tmp_path / "elsewhere.json").write_text(json.dumps(record))
    Path("outputs/waiting").mkdir(exist_ok=True)
    Path("outputs/waiting/stolen-1").write_text(str(tmp_path / "elsewhere.json"))
    said = bakeoff("run", "method=urns/mean", "task=urns/draws", "seed=1")
    assert "outside outputs" in said.err
    store = Store("outputs/store.sqlite")
    assert "stolen-1" not in {one.id for one in store.records()}
    store.close()


def test_a_report_of_hostile_names_stays_in_its_folder(bakeoff: Bakeoff, tmp_path: Path) -> None:
    bakeoff("run", "method=urns/mean", "task=urns/draws")
    content = one_record() | {"id": "x-2", "method": "urns/a b..%2e%2e<svg onload=alert(1)>", "cell": "1" * 32}
    store = Store("outputs/store.sqlite")
    store.add([Record(**content)])
    store.close()
    assert bakeoff("report", "out=site").code == 0
    inside = {path.resolve() for path in Path("site").rglob("*")}
    assert all(path.is_relative_to(Path("site").resolve()) for path in inside)
    assert not any("<svg onload" in path.read_text(errors="replace") for path in inside if path.suffix == ".html")


# --- stores ---


def test_names_with_quotes_are_values_and_never_sql(bakeoff: Bakeoff) -> None:
    bakeoff("run", "method=urns/mean", "task=urns/draws")
    evil = "urns/x'; DROP TABLE attempts; --"
    store = Store("outputs/store.sqlite")
    store.add([Record(**(one_record() | {"id": "x-3", "method": evil, "cell": "2" * 32}))])
    assert [one.id for one in store.records(method=evil)] == ["x-3"]
    assert store.find("x-3' OR '1'='1") == []
    store.close()
    with sqlite3.connect("outputs/store.sqlite") as raw:
        assert raw.execute("select count(*) from attempts").fetchone()[0] >= 2
    assert bakeoff("leaderboard", f"task={evil}").code in (0, 2)
    assert len(bakeoff("leaderboard", "format=json").out) > 2


# --- archives ---


def test_an_archive_is_read_in_memory_and_its_members_go_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, content = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (32, 32)).save(picture, format="JPEG")
    outside = tmp_path / "outside"
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("../../evil/train/cat/0.jpg", f"{outside}/test/cat/0.jpg"):
            member = tarfile.TarInfo(name)
            member.size = len(picture.getvalue())
            archive.addfile(member, io.BytesIO(picture.getvalue()))
        link = tarfile.TarInfo("train/cat/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/pictures.tar.xz").write_bytes(lzma.compress(content.getvalue()))
    monkeypatch.chdir(tmp_path / "a/b")
    monkeypatch.setattr("tasks.data.fetch", lambda *_: tmp_path / "a/b/pictures.tar.xz")
    before = sorted(tmp_path.rglob("*"))
    (train, _), (test, _) = images._cifar10_bytes.__wrapped__()
    assert (len(train), len(test)) == (1, 1), "a link is no picture"
    assert sorted(tmp_path.rglob("*")) == before


# --- secrets ---


SECRETS = {
    "WANDB_API_KEY": "wandb-0123456789abcdef0123456789abcdef01234567",
    "HF_TOKEN": "hf_donottell1234567890",
    "AWS_SECRET_ACCESS_KEY": "aws-donottell-1234567890",
    "PGPASSWORD": "pg-donottell-1234567890",
}


def test_secrets_of_the_environment_reach_no_record_and_no_report(
    bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    bakeoff("run", "-m", "method=urns/mean,urns/broken", "task=urns/draws", "n_jobs=0")
    bakeoff("report", "out=site")
    bakeoff("export", "out=all.jsonl")
    for place in (Path("outputs"), Path("site"), Path("all.jsonl")):
        for path in [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]:
            content = path.read_bytes()
            assert not [name for name, secret in SECRETS.items() if secret.encode() in content], path


def test_the_password_of_a_store_is_never_shown_or_recorded(bakeoff: Bakeoff) -> None:
    said = bakeoff("leaderboard", "store=postgresql+psycopg://me:s3cret-word@127.0.0.1:1/none")
    assert said.code == 2
    assert "s3cret-word" not in said.err + said.out
    said = bakeoff(
        "run", "method=urns/mean", "task=urns/draws", "store=postgresql+psycopg://me:s3cret-word@127.0.0.1:1/none"
    )
    assert "s3cret-word" not in said.err + said.out
    files = [path for path in Path("outputs").rglob("*") if path.is_file()] if Path("outputs").exists() else []
    assert not [path for path in files if b"s3cret-word" in path.read_bytes()]
