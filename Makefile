# make run    installs, builds, and shows the default model at 0.9 and at 0.3 of the variance
# make test   installs, builds, and runs all tests
# make soak   ten minutes of faults and hostile input
# Variables: VARIANCE_THRESHOLD, MODE, MODEL, e.g.  make run VARIANCE_THRESHOLD=0.95 MODE=separate MODEL=./my-llama
# One threshold is a run: it also writes the edited checkpoint.

VARIANCE_THRESHOLD ?=
MODE ?= shared-kv
MODEL ?=

# onnxruntime-node would try to download CUDA libraries that nothing here uses; its CPU binary is in the package.
export ONNXRUNTIME_NODE_INSTALL = skip
OPTIONS = --mode $(MODE) $(if $(MODEL),--model "$(MODEL)")
ONE = node dist/cli.js run --variance $(or $(VARIANCE_THRESHOLD),0.9) $(OPTIONS)
RUN = $(if $(VARIANCE_THRESHOLD),$(ONE),node dist/cli.js sweep --variance 0.9,0.3 $(OPTIONS))
# Folders too: a file that goes changes its folder.
SOURCES = $(shell find src) tsconfig.json scripts/build.mjs

.PHONY: run watch install build test test-node lint fuzz soak bench docs reference study browser slurm shells screenshots clean

# As src/platform/huge-pages.ts, which needs Node 22.15: weights in pages of 2 MB (with 4 kB ones a float32 model takes half as long again
# to start), and freed memory goes back to the system at once.
run: export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4194304
run: build
	@$(RUN)

# Runs again when a source file changes; each run replaces the last one's results.
watch: node_modules/.package-lock.json
	npx nodemon --quiet --watch src --ext ts,json --exec '$(MAKE) --no-print-directory build && $(ONE) --output results/watch --force'

install: build

# Not `npm ci`: it refuses a lock file that lacks optional binaries of other platforms, which a registry may not have.
node_modules/.package-lock.json: package.json package-lock.json
	npm install --no-save --ignore-scripts
	@touch $@

build: dist/.built

dist/.built: node_modules/.package-lock.json $(SOURCES)
	npm run --silent build

test: build
	npm test --silent

# The main job and the end-to-end tests under another version of Node, which npm's registry has too.
OTHER_NODE ?= 24
OTHER = node_modules/.cache/node-$(OTHER_NODE)
test-node: build $(OTHER)/node_modules/.bin/node
	export PATH="$(CURDIR)/$(OTHER)/node_modules/.bin:$$PATH"; node --version; \
	  node dist/cli.js run --model pocket --variance 0.3 --output $(OTHER)/run --force && npm test --silent -- e2e/ platform/huge-pages

$(OTHER)/node_modules/.bin/node: | node_modules/.package-lock.json
	mkdir -p $(OTHER)
	npm install --prefix $(OTHER) --no-save --no-package-lock --ignore-scripts \
	  node-$$(node --print 'process.platform + "-" + process.arch')@$(OTHER_NODE)

lint: node_modules/.package-lock.json
	npm run --silent lint

# Damaged headers, configs and indexes, made from those in test/fixtures/fuzz; KEEP=--keep stores what reached new code there.
SECONDS ?= 60
fuzz: build
	node scripts/soak/fuzz.mjs --seconds $(SECONDS) --seed $(or $(SEED),0) $(if $(JSON),--json "$(JSON)") $(KEEP)

bench: build
	node scripts/bench/bench.mjs $(MODEL)

# The library's functions and types as a site in docs/.
docs: node_modules/.package-lock.json
	npm run --silent docs

# Ten minutes of faults at random moments and of hostile input: results/soak.json says what was tried and what was found.
soak: build
	node scripts/soak/soak.mjs --seconds 600 --json results/soak.json

# The study of the embedded model in results/reference, made anew: two to three minutes. README.md and inside.md there stay.
reference: build
	rm -rf results/.reference
	node dist/cli.js sweep --model pocket --documents 60 --variance 0.9,0.8,0.7,0.6,0.5 --mode separate,shared-kv \
	  --match width,parameters --controls --tasks src/pocket/tasks.jsonl --questions 100 --max-new-tokens 40 --output results/.reference
	mv results/.reference/* results/reference/
	rm -rf results/.reference

# The claim on a trained model, in results/smollm2: about 15 minutes on 2 cores. MODEL is a folder or a reference to the Hub,
# TEXT a file or a dataset.
STUDY = --model "$(or $(MODEL),HuggingFaceTB/SmolLM2-135M-Instruct)" --chunk stream --max-tokens 256 --documents 16 \
  --text "$(or $(TEXT),hub:Salesforce/wikitext/wikitext-2-raw-v1/test)"
study: build
	rm -rf results/.study
	node dist/cli.js sweep $(STUDY) --variance 0.99,0.95,0.9,0.7,0.5,0.3 --match width --controls --temperature 0 \
	  --max-new-tokens 40 --prompt "What is the capital of France?" --prompt "Why is the sky blue?" --output results/.study
	node dist/cli.js sensitivity $(STUDY) --variance 0.99 --mode separate --targets v --by layer --no-samples \
	  --output results/.study/sensitivity
	mkdir -p results/smollm2
	cp -r results/.study/* results/smollm2/
	rm -rf results/.study

# What some tests need and are skipped without, from Debian: Chromium for the report, Slurm for array jobs, the shells for
# their completion.
browser:
	@scripts/ci/packages.sh chromium

slurm:
	@scripts/ci/packages.sh munge slurmctld slurmd slurm-client

shells:
	@scripts/ci/packages.sh bash zsh fish

# The pictures of the report under test/, to be looked at.
screenshots: build
	SURGERY_SCREENSHOTS=1 npx vitest run --config test/vitest.config.ts test/report/html/browser

clean:
	rm -rf dist docs node_modules
