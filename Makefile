# opensandbox: one static binary. `make help` names the targets.
#
# The C library is musl where there is musl-gcc (or where the system's own library is musl, as on
# Alpine); else the one at hand, which is said at the link. CC, CFLAGS, PREFIX and DESTDIR can be set
# as usual; a change of compiler or flags rebuilds. SANITIZE=1 builds with ASan and UBSan instead,
# WERROR=1 makes warnings errors; each combination wants a BUILD directory of its own.

VERSION = 0.1.0
PREFIX = /usr/local
FUZZ_SECONDS = 60
FUZZ_CC = clang

BUILD = $(if $(SANITIZE),build/sanitize,build)
BIN = $(if $(filter build,$(BUILD)),opensandbox,$(BUILD)/opensandbox)

have = $(shell command -v $1 >/dev/null 2>&1 && echo $1)
# A flag, where the compiler takes it for the machine it compiles for.
flag = $(shell $(CC) -Werror $1 -x c -fsyntax-only /dev/null >/dev/null 2>&1 && echo '$(strip $1)')

ifeq ($(origin CC),default)
CC := $(firstword $(if $(SANITIZE),,$(call have,musl-gcc)) $(call have,gcc) $(call have,clang) cc)
endif
wrapper := $(findstring musl-gcc,$(notdir $(firstword $(CC))))
musl := $(wrapper)$(findstring musl,$(shell $(CC) -dumpmachine 2>/dev/null))

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wundef -Wcast-qual -Wwrite-strings -Wformat=2 $(if $(WERROR),-Werror)
base = -std=c11 -D_GNU_SOURCE -DOPENSANDBOX_VERSION=\"$(VERSION)\" -I. $(WARNINGS)

ifdef wrapper
# musl's wrapper hides the kernel's headers together with those of the other C library, and its link
# line has no static-pie: it would quietly make a dynamic program that asks for musl's loader.
multiarch := $(shell $(CC) -print-multiarch 2>/dev/null)
base += -idirafter /usr/include $(if $(multiarch),-idirafter /usr/include/$(multiarch))
hash := \#
crt := $(shell $(CC) '-$(hash)$(hash)$(hash)' -x c /dev/null 2>&1 | tr ' "' '\n\n' | sed -n 's/Scrt1\.o$$//p')
gcc_file = $(shell $(CC) -print-file-name=$1)
static_begin := -static -nostartfiles -Wl,-pie,--no-dynamic-linker \
	$(crt)rcrt1.o $(crt)crti.o $(call gcc_file,crtbeginS.o)
static_end := $(call gcc_file,crtendS.o) $(crt)crtn.o
# Packed relocations: start.c has them done where musl does not.
ifneq ($(wildcard start.c),)
base += -DSTART_WRAPPED
start = $(BUILD)/start.o
static_begin += -Wl,-z,pack-relative-relocs,--wrap=__libc_start_main
endif
else
static_begin := -static-pie
endif

ifdef SANITIZE
CFLAGS = -O1 -g -fno-omit-frame-pointer
sanitizers = -fsanitize=address,undefined -fno-sanitize-recover=all
COMPILE = $(CC) $(base) -fPIE $(sanitizers) $(CFLAGS) $(CPPFLAGS)
link = $(CC) -pie $(sanitizers) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^)
else
# Small, since the kernel does the work; 200 KB is the binary's limit. So the link optimizes all files as one, where it can; the
# objects are whole ones as well, for linkers that do not know how.
whole = -flto -ffat-lto-objects -flto-partition=none
CFLAGS := $(or $(call flag,-Oz),-Os) $(call flag,-malign-data=abi) \
	$(call flag,-fno-caller-saves -fno-expensive-optimizations -fno-move-loop-invariants \
	-fno-code-hoisting -fno-jump-tables -fno-optimize-sibling-calls -fno-shrink-wrap \
	-fno-tree-coalesce-vars -fno-tree-dominator-opts -fno-tree-forwprop -fno-tree-loop-im \
	-fno-tree-pta -fno-tree-sra -fno-tree-tail-merge) \
	$(shell echo 'int main(void) { return 0; }' | $(CC) $(whole) -x c -o /dev/null - >/dev/null 2>&1 && echo '$(whole)') \
	$(if $(musl),$(call flag,-mstack-protector-guard=global))
hardening := -fPIE -fstack-protector-strong $(call flag,-fstack-clash-protection) \
	$(if $(musl),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
lean = -ffunction-sections -fdata-sections -fno-unwind-tables -fno-asynchronous-unwind-tables
COMPILE = $(CC) $(base) $(hardening) $(lean) $(CFLAGS) $(CPPFLAGS)
link = $(CC) $(static_begin) -s -Wl,--gc-sections,-z,text,-z,relro,-z,now,-z,noexecstack,-z,noseparate-code,--hash-style=sysv \
	$(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(static_end)
endif

# V=1 shows whole commands.
run = $(if $(V),,@echo '  $1 $@';) $2

sources := $(sort $(wildcard *.c))
units := $(patsubst %.c,$(BUILD)/%,$(wildcard test/unit/*.c))
replays := $(patsubst %.c,$(BUILD)/%,$(wildcard test/fuzz/*.c))
fuzzers := $(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/*.c))
# The further sources that a test program says, in its first line, that it needs.
needs = $(shell sed -n '1s|^/\* needs:\(.*\)\*/.*|\1|p' $1)

all: $(BIN)

$(BIN): $(sources:%.c=$(BUILD)/%.o)
ifndef SANITIZE
ifndef musl
	@echo 'no musl here: $@ is linked with the C library of $(CC), and is larger for it'
	@[ -f "$$($(CC) -print-file-name=rcrt1.o)" ] && [ -f "$$($(CC) -print-file-name=libc.a)" ] || \
	{ echo 'make: $(CC) has no static C library: install musl-gcc, or the static C library' \
	'(libc6-dev, glibc-static, musl-dev): ./setup build does' >&2; exit 1; }
endif
endif
	$(call run,LINK,$(link))

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC,$(COMPILE) $(defines) -MMD -MP -c -o $@ $<)

$(BUILD)/test/fuzz/%.o: defines = -DFUZZ_REPLAY

# Test programs include the source that they test; the others that they need are linked in, each as it is.
.SECONDEXPANSION:
$(units) $(replays): $(BUILD)/%: $(BUILD)/%.o \
		$$(addprefix $(BUILD)/,$$(addsuffix .o,$$(basename $$(call needs,$$*.c)))) $(start)
	$(call run,LINK,$(link) -fno-lto)

# Rewritten only when the compiler, a flag or the list of sources is another one than before.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = '$(COMPILE) $(link) $(sources)' ] || \
	printf '%s\n' '$(COMPILE) $(link) $(sources)' >$@

-include $(wildcard $(BUILD)/*.d $(BUILD)/test/unit/*.d $(BUILD)/test/fuzz/*.d)

test-programs: $(units) $(replays)

test:
	test/run

check:
	test/check

# Each target for FUZZ_SECONDS. What is found stays in build/fuzz, beside a copy of the corpus.
fuzz: $(fuzzers:%=build/fuzz/%)
	@for name in $(fuzzers); do \
		echo "fuzz: $$name for $(FUZZ_SECONDS) s"; \
		mkdir -p build/fuzz/$$name.corpus; \
		./build/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 \
			-close_fd_mask=3 -artifact_prefix=build/fuzz/$$name- build/fuzz/$$name.corpus \
			$$(ls -d test/fuzz/$$name test/fuzz/corpus/$$name 2>/dev/null) || exit 1; \
	done

build/fuzz/%: test/fuzz/%.c $(wildcard *.c *.h)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(base) -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o $@ $< $(call needs,$<)

test-fresh:
	test/fresh

test-vm:
	test/vm

test-image:
	test/image

test-boot:
	test/boot

test-systemd:
	test/systemd

test-arm64:
	test/arm64

test-old:
	test/old

# About a quarter of an hour. `test/mutations -r FILE` goes on where it was broken off; the suite has `--short`.
test-mutations:
	test/mutations -j 2

test-modes: all
	test/modes

bench: all
	test/bench

soak: all
	test/soak

# Where things are on the machine. A part that is not wanted is set to nothing: make install SYSTEMD=
SYSCONFDIR = /etc
SYSTEMD = 1
OPENRC = $(if $(wildcard /sbin/openrc-run),1)
APPARMOR = $(if $(wildcard /etc/apparmor.d/abi/4.0),1)
share = $(PREFIX)/share
docs = $(wildcard README.md CHANGELOG.md LICENSE docs/*.md docs/*.svg)

# MODE:FILE:PLACE, of what is there. In files of services the binary's path is made this PREFIX's.
installed = 755:$(BIN):$(PREFIX)/bin/opensandbox $(foreach entry, \
	644:opensandbox.1:$(share)/man/man1/opensandbox.1 \
	644:completions/opensandbox.bash:$(share)/bash-completion/completions/opensandbox \
	644:completions/_opensandbox:$(share)/zsh/site-functions/_opensandbox \
	$(if $(SYSTEMD),644:packaging/opensandbox.service:$(PREFIX)/lib/systemd/system/opensandbox.service \
	644:packaging/opensandbox.socket:$(PREFIX)/lib/systemd/system/opensandbox.socket \
	644:packaging/opensandbox.sysusers:$(PREFIX)/lib/sysusers.d/opensandbox.conf) \
	$(if $(OPENRC),755:packaging/opensandbox.openrc:$(SYSCONFDIR)/init.d/opensandbox) \
	$(if $(APPARMOR),644:packaging/opensandbox.apparmor:$(SYSCONFDIR)/apparmor.d/opensandbox) \
	$(foreach doc,$(docs),644:$(doc):$(share)/doc/opensandbox/$(doc)), \
	$(if $(wildcard $(word 2,$(subst :, ,$(entry)))),$(entry)))

install: all
	@for entry in $(installed); do \
		mode=$${entry%%:*} rest=$${entry#*:}; \
		file=$${rest%%:*} place="$(DESTDIR)$${rest#*:}"; \
		echo "  INSTALL $$place"; \
		install -d "$${place%/*}" || exit 1; \
		case $$file in \
		packaging/*) sed 's|/usr/local/bin/|$(PREFIX)/bin/|' "$$file" >"$$place" && \
			chmod "$$mode" "$$place" ;; \
		*) install -m "$$mode" "$$file" "$$place" ;; \
		esac || exit 1; \
	done

uninstall:
	@for entry in $(installed); do \
		echo "  REMOVE $(DESTDIR)$${entry##*:}"; \
		rm -f "$(DESTDIR)$${entry##*:}"; \
	done
	@rmdir "$(DESTDIR)$(share)/doc/opensandbox/docs" "$(DESTDIR)$(share)/doc/opensandbox" 2>/dev/null || :

# The same bytes from the same commit, wherever and whenever.
dist:
	git archive --prefix=opensandbox-$(VERSION)/ HEAD | gzip -9n >opensandbox-$(VERSION).tar.gz

deb: all
	packaging/build-deb

clean:
	rm -rf build opensandbox opensandbox-*.tar.gz

help:
	@echo 'all (opensandbox), test, check, fuzz, test-fresh, test-vm, test-image, test-boot, test-systemd, test-arm64, test-old,'
	@echo 'test-mutations, test-modes, bench, soak, dist, deb, clean,'
	@echo 'install, uninstall (PREFIX, DESTDIR, SYSTEMD, OPENRC, APPARMOR)'

.PHONY: all test test-programs check fuzz test-fresh test-vm test-image test-boot test-systemd test-arm64 test-old test-mutations test-modes bench soak \
	install uninstall dist deb clean help FORCE
.DELETE_ON_ERROR:
