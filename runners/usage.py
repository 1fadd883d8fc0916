"""What `bakeoff --help` and `bakeoff VERB --help` say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_HEAD = "bakeoff: runs methods from papers against each other on equal terms."
_COMMON = """\
Common keys: scale=tiny|laptop|paper, hardware=cpu|cuda|auto, store=URL (or BAKEOFF_STORE), outputs=FOLDER.
Exit code: 0 all well, 1 a cell failed or a record could not be read, 2 the command cannot be understood."""

# for each verb: how it is written, what it does, and examples for `bakeoff VERB --help`
VERBS: Mapping[str, tuple[str, str, tuple[str, ...]]] = MappingProxyType(
    {
        "list": (
            "[methods|tasks|hardware|experiments|plugins] [arena=..] [format=json]",
            "what there is; --bib prints BibTeX of the papers whose methods the store has",
            ("list methods arena=calibration", "list plugins", "list --bib > papers.bib"),
        ),
        "info": (
            "calibration/linc",
            "one method or task: its card, its values, whom it can be paired with",
            ("info calibration/linc", "info coverage/overlapping_clusters format=json"),
        ),
        "run": (
            "method=.. task=.. [seed=..] [method.FIELD=..]   or   run -m 'method=glob(..)' task=.. 'seed=range(0,5)'",
            "one cell, or with -m a sweep; cells that the store has are skipped, force=true runs them again;\n"
            "      n_jobs=4 runs four cells at a time, plan=true only says what would be done,\n"
            "      hydra/launcher=submitit_slurm|submitit_local|ray runs it on other machines",
            (
                "run method=calibration/linc task=calibration/docstring_topics seed=3 method.lr=0.1",
                "run -m 'method=glob(calibration/*)' task=calibration/docstring_topics 'seed=range(0,5)'",
                "run -m experiment=quick n_jobs=4",
                "run -m 'method=glob(coverage/*)' task=coverage/overlapping_clusters protocol=tuned trials=8 plan=true",
            ),
        ),
        "leaderboard": (
            "[task=..|arena=..] [format=terminal|md|csv|json|latex|html] [out=FILE]",
            "what the store says; out=board.tex alone chooses the format by the ending",
            ("leaderboard arena=calibration", "leaderboard task=calibration/trec out=trec.tex"),
        ),
        "compare": (
            "METHOD METHOD task=.. [scale=..] [metric=..] [format=terminal|md|json]",
            "two methods over the seeds that both have; out=FILE.svg|.pdf|.png draws them;\n"
            "      of several sets of values one is named: 'calibration/linc [lr=0.1]'",
            ("compare calibration/linc calibration/contextual task=calibration/trec",),
        ),
        "claims": (
            "[paper=..|arena=..] [format=terminal|md|json] [run=true [n_jobs=N]]",
            "what papers claim and what the store says of it; run=true first runs the cells that are missing",
            ("claims paper=linc", "claims arena=coverage run=true n_jobs=2"),
        ),
        "papers": (
            "[arena=..] [format=json]",
            "every paper: which methods play it, what its claims came to, what is missing",
            ("papers arena=distillation",),
        ),
        "report": (
            "out=FOLDER [task=..|arena=..]   or   report --check",
            "a site of all boards, figures, methods and attempts, which opens from disk;\n"
            "      --check sees whether the published boards are what their attempts say",
            ("report out=site", "report --check"),
        ),
        "show": ("ATTEMPT", "one attempt: configuration, result, provenance, traceback", ("show 3f9a",)),
        "explain": (
            "ATTEMPT [ATTEMPT]",
            "in what two attempts differ, or whether one is stale and why",
            ("explain 3f9a", "explain 3f9a 77c0"),
        ),
        "replay": (
            "ATTEMPT",
            "run an attempt again from its record: bitwise equal, within noise, or different",
            ("replay 3f9a", "replay 3f9a format=json"),
        ),
        "verify": (
            "[arena=..] [rows=10] [seed=0]",
            "replay a sample of the published rows",
            ("verify arena=coverage rows=3",),
        ),
        "status": ("", "sweeps that are running, here or elsewhere, and how the last ones ended", ("status",)),
        "prepare": (
            "task=.. [experiment=..] [seed=..] [scale=..]",
            "get data and make shared preparations once, so that compute nodes need no network",
            ("prepare experiment=quick", "prepare 'task=glob(calibration/*)' 'seed=range(0,5)'"),
        ),
        "doctor": ("", "what this machine has, what is missing, and what to do about it", ("doctor",)),
        "new": (
            "plugin=FOLDER | arena=NAME | method=ARENA/NAME | task=ARENA/NAME",
            "files with blanks to fill, which keep the contract as they are",
            ("new plugin=my-paper", "new method=calibration/mine", "new arena=riddles"),
        ),
        "check": (
            "method=.. | task=..",
            "whether a plugin keeps the contract, in sentences",
            ("check method=calibration/mine", "check task=riddles/example"),
        ),
        "completion": (
            "",
            "a script that completes verbs, keys and names in bash",
            ('completion  # in ~/.bashrc: eval "$(bakeoff completion)"',),
        ),
        "import": (
            "PATH..",
            "records from folders, record.json files, exports (.jsonl) and other stores (.sqlite)",
            ("import results/published/coverage.jsonl", "import /scratch/outputs"),
        ),
        "export": (
            "out=FILE.jsonl|FILE.parquet [task=..] [arena=..] [method=..]",
            "the records of the store",
            ("export out=all.parquet", "export out=linc.jsonl method=calibration/linc"),
        ),
        "publish": (
            "arena=.. [folder=..]",
            "the attempts behind the boards of an arena, and the boards, as files to commit",
            ("publish arena=coverage",),
        ),
    }
)


def of_all() -> str:
    """Every verb in short."""
    lines = [_HEAD, ""]
    for verb, (written, does, _) in VERBS.items():
        lines += [f"  bakeoff {verb} {written}".rstrip(), f"      {does}"]
    return "\n".join([*lines, "", "bakeoff VERB --help shows examples.", _COMMON])


def of(verb: str) -> str:
    """One verb with examples."""
    written, does, examples = VERBS[verb]
    shown = [f"  bakeoff {example}" for example in examples]
    return "\n".join([f"bakeoff {verb} {written}".rstrip(), f"      {does}", "", "examples:", *shown, "", _COMMON])
