# Two commands are enough for a newcomer: `make run` and `make test`. Each installs what it needs, and says what it does.
# What is installed is kept up to date by scripts/environments.py; when nothing changed, that takes no time.

.DEFAULT_GOAL := help
.PHONY: help run test check fix docs clean
MAKEFLAGS += --no-print-directory
export PYTHON

help: ## Show what there is to make.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

run: ## Bring up Perijove here, at http://127.0.0.1:8000. Ctrl-C ends it.
	@exec scripts/run

test: ## Run all tests. `make test ARGS="tests/unit -x"` runs some.
	@exec scripts/test $(ARGS)

check: ## Check style, types, imports between packages, and sizes.
	@exec scripts/check

fix: ## Mend style and the generated pages of the documentation, as far as that goes by itself.
	@exec scripts/fix

docs: ## Build the documentation into docs/_build/html.
	@exec scripts/docs

clean: ## Remove what make installed and built in this clone (not .run, the hub's state).
	rm -rf .venv .user-env .cache docs/_build dist singleuser/dist
