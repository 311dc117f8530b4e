# make demo   the whole chain on real recordings: install, corpus, search, export, final evaluation
# make test   lint, types and every test
# make fast   the quick tests only
# make test-long   whole trainings and corpora that take half a minute each
# make test-cluster   a search on two hosts over ssh, one killed in between; root, openssh-server and rsync
# make test-kills   searches whose drivers and workers, and MLflow servers and databases, are killed again and again
# make test-browser   the pages in a real browser; Debian's chromium and chromium-driver
# make bench   every speed with a goal beside its alternative; minutes, on an idle machine
# make bench-gpu   training steps on a GPU beside a plain loop; says so where there is none, and installs nothing then
# make lint   ruff and mypy

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := build/demo

export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport FSD_DEMO_DATA
unexport FSD_DEMO_STORE

.PHONY: demo test fast test-long test-cluster test-kills test-browser bench bench-gpu lint install clean-demo

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@echo "installing (torch alone is several GB; a few minutes)"
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.bench-installed: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[dev,bench]'
	@touch $@

bench: $(VENV)/.bench-installed
	$(BIN)/python -m tests.bench

# Looks for a driver before anything is installed; the benchmark itself asks torch.
bench-gpu:
	@if test -e /dev/nvidiactl || test -e /dev/dxg; then \
	  $(MAKE) --no-print-directory install && $(BIN)/python -m tests.bench.gpu; \
	else echo "no GPU is visible here: nothing was measured"; fi

demo: install $(DEMO)/searched
	@$(BIN)/fsd-tuner evaluate $(DEMO)/study/detector --split dev
	@$(BIN)/fsd-tuner evaluate $(DEMO)/study/detector --split eval
	@$(BIN)/fsd-tuner report $(DEMO)/study
	@echo
	@echo "best configuration: $(DEMO)/study/best.yaml   (again: $(BIN)/fsd-tuner train $(DEMO)/study/best.yaml)"
	@echo "detector:           $(DEMO)/study/detector    (score: $(BIN)/fsd-tuner score $(DEMO)/study/detector FILE...)"
	@echo "the report:         $(DEMO)/study/report.html"
	@echo "compare the trials: $(BIN)/fsd-tuner ui $(DEMO)/study"

$(DEMO)/corpus/corpus.json: | install
	$(BIN)/fsd-tuner corpus make $(DEMO)/corpus

# The stamp is set by a search that came to its end; an interrupted one is gone on with.
$(DEMO)/searched: | $(DEMO)/corpus/corpus.json
	$(BIN)/fsd-tuner search demo --out $(DEMO)/study --resume
	@touch $@

clean-demo:
	rm -rf $(DEMO)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations=10

fast: install
	$(BIN)/pytest -m "not slow and not long and not cluster and not kills and not browser"

test-cluster: install
	@test "$$(id -u)" = 0 || { echo "needs root: it makes network namespaces"; exit 1; }
	@{ test -x /usr/sbin/sshd && command -v rsync >/dev/null; } || { apt-get update -qq && apt-get install -qq --yes --no-install-recommends openssh-server rsync; }
	$(BIN)/pytest -m cluster

test-long: install
	$(BIN)/pytest -m long

test-kills: install
	$(BIN)/pytest -m kills

test-browser: install
	@{ command -v chromium && command -v chromedriver; } >/dev/null || { apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium chromium-driver; }
	$(BIN)/pytest -m browser
