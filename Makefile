# The two commands that matter are `make demo` and `make test`; both set themselves up.

.PHONY: demo test test-on lint docs words pictures bench prove mutants fuzz release clean

demo:
	@.ci/setup demo
	@.venv/bin/python -m desk.demo

test:
	@.ci/setup test
	.venv/bin/python -m pytest -n 2 --dist worksteal

# Both commands above on a minimal Debian that has nothing but Python, git and make: make test-on SUITE=bookworm|trixie
# NEW=1 makes the system anew; RUN='command' runs that in the clone instead.
test-on:
	@.ci/test-on "$(SUITE)" "$$RUN"

lint:
	@.ci/setup lint
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

# The pages of docs/ as a site in build/site; a link that leads nowhere is an error.
docs:
	@.ci/setup lint
	.venv/bin/mkdocs build --strict --quiet

# The catalogs of the languages, brought up to date with what templates and code say.
words:
	@.ci/setup test
	.venv/bin/python -m tests.support.catalogs

# The pictures of the web form in docs/.
pictures:
	@.ci/setup test
	.venv/bin/python -m tests.support.pictures docs

bench:
	@.ci/setup test
	.venv/bin/python -m tests.bench.mails
	.venv/bin/python -m tests.bench.stages
	.venv/bin/python -m tests.bench.imap
	.venv/bin/python -m tests.bench.growth
	.venv/bin/python -m tests.bench.nasty
	.venv/bin/python -m tests.bench.day
	[ -z "$(PEERS)" ] || .venv/bin/python -m tests.bench.peers

# An hour of kills, floods, malformed mail and fuzzing, and a member's Thunderbird; the figures in one table.
prove:
	@.ci/setup prove
	.venv/bin/python -c 'import atheris' 2>/dev/null || .venv/bin/pip install -qq atheris==3.0.0 || true
	.venv/bin/python -m tests.bench.prove

# Whether the tests notice when a rule is changed (half an hour; ONLY=store/cases/access.py for one module).
mutants:
	@.ci/setup test
	[ build/mutants/mutmut -nt '.venv/.ready[dev]' ] || { rm -rf build/mutants && .venv/bin/pip install -qq --target build/mutants --constraint constraints.txt mutmut==3.8.1 && touch build/mutants/mutmut; }
	.venv/bin/python -m tests.bench.mutants

# Coverage-guided fuzzing of how a mail is read: FUZZ_MINUTES=30 make fuzz. Its corpus is kept in build/fuzz.
fuzz:
	@.ci/setup test
	.venv/bin/python -c 'import atheris' 2>/dev/null || .venv/bin/pip install --quiet atheris==3.0.0
	.venv/bin/python -m tests.bench.fuzz

# The source, a wheel and a Debian package of what is committed, in build/release.
release:
	@.ci/release

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
