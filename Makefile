# Every target only calls run.py, which does the work with Python's standard library and which Windows users call directly.
# Another interpreter: make book PYTHON=python3.13

PYTHON ?= python3
RUN = $(PYTHON) run.py

.PHONY: help book test test-fast mutants bench notebooks text exercises cohort autograder serve lab desk lock address check-env clean

help:
	@$(RUN) --help

book test test-fast serve lab desk lock check-env:
	@$(RUN) $@

clean: ## make clean ALL=all removes the environment too
	@$(RUN) $@ $(ALL)

mutants: ## make mutants MODULES="gates.cells core.walk"
	@$(RUN) $@ $(MODULES)

bench: ## make bench ONLY="LSTM 64,32,64,128"
	@$(RUN) $@ $(ONLY)

notebooks text exercises: ## make notebooks NAMES="unrolling language-models"
	@$(RUN) $@ $(NAMES)

cohort: ## make cohort CLASS=2027 OUT=../class-2027 NAMES="unrolling clipping" UNLIKE=2026
	@$(RUN) $@ "$(CLASS)" "$(OUT)" $(NAMES) $(if $(UNLIKE),--unlike "$(UNLIKE)")

autograder: ## make autograder CHAPTER=unrolling COHORT=2027 CHECKS=../hidden.py
	@$(RUN) $@ $(CHAPTER) $(if $(COHORT),--cohort "$(COHORT)") $(if $(CHECKS),--checks "$(CHECKS)")

address: ## make address URL=https://github.com/OWNER/REPOSITORY
	@$(RUN) $@ $(URL)
