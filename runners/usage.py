"""What `bakeoff --help` says."""

HELP = """\
bakeoff: runs methods from papers against each other on equal terms.

  bakeoff list [methods|tasks|hardware|experiments] [arena=..] [format=json]
      what there is; --bib prints BibTeX of the papers whose methods the store has
  bakeoff info calibration/linc
      one method or task: its card, its values, whom it can be paired with
  bakeoff run method=calibration/linc task=calibration/docstring_topics seed=3 method.lr=0.1
      one cell
  bakeoff run -m 'method=glob(calibration/*)' task=calibration/docstring_topics 'seed=range(0,5)'
      a sweep; cells that the store has are skipped, force=true runs them again
  bakeoff run -m experiment=quick n_jobs=4
      a named sweep, four cells at a time; plan=true only says what would be done,
      hydra/launcher=submitit_slurm|submitit_local|ray runs it on other machines
  bakeoff leaderboard [task=..|arena=..] [format=terminal|md|csv|json|latex|html] [out=FILE]
      what the store says; out=board.tex alone chooses the format by the ending
  bakeoff compare calibration/linc calibration/contextual task=.. [scale=..] [metric=..] [format=terminal|md|json]
      two methods over the seeds that both have; out=FILE.svg|.pdf|.png draws them;
      of several sets of values one is named: 'calibration/linc [lr=0.1]'
  bakeoff claims [paper=..|arena=..] [format=terminal|md|json] [run=true [n_jobs=N]]
      what papers claim and what the store says of it; run=true first runs the cells that are missing
  bakeoff papers [arena=..] [format=json]
      every paper: which methods play it, what its claims came to, what is missing
  bakeoff report out=FOLDER [task=..|arena=..]
      a site of all boards, figures, methods and attempts, which opens from disk
  bakeoff report --check
      whether the published boards are what their attempts say
  bakeoff show ATTEMPT
      one attempt: configuration, result, provenance, traceback
  bakeoff explain ATTEMPT [ATTEMPT]
      in what two attempts differ, or whether one is stale and why
  bakeoff status
      sweeps that are running, here or elsewhere, and how the last ones ended
  bakeoff import PATH..
      records from folders, record.json files, exports (.jsonl) and other stores (.sqlite)
  bakeoff export out=FILE.jsonl|FILE.parquet [task=..] [arena=..] [method=..]
      the records of the store
  bakeoff publish arena=.. [folder=..]
      the attempts behind the boards of an arena, and the boards, as files to commit

Common keys: scale=tiny|laptop|paper, hardware=cpu|cuda|auto, store=URL (or BAKEOFF_STORE), outputs=FOLDER.
Exit code: 0 all well, 1 a cell failed or a record could not be read, 2 the command cannot be understood."""
