/* seccomp.c - makes BPF programs of the policy tables, loads them, and runs them on paper
 *
 * Knows classic BPF and the tables of seccomp_table.c; touches nothing but the filter of its own
 * process. A program is written from its last instruction to its first: what a jump leads to is
 * there before the jump is, so that every offset is a difference of two known places. At the end
 * stand the answers, before them the tests of arguments, before those a binary search over ranges
 * of call numbers.
 *
 * From Linux 5.11 on the kernel finds out by itself which numbers are always allowed, and skips
 * the program for them; hence a call without rules never meets a load of an argument. Older
 * kernels run it for every call, hence the weights of the search. */
#include "seccomp.h"
#include "seccomp_table.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
	NUMBERS_MAX = 512,
	SEGMENTS_MAX = NUMBERS_MAX + 3,
	OFTEN_SCALE = 4,	/* weight of a call's `often`; that of a segment as such is 1 */
	JUMP_NEAR = 254,	/* a conditional jump reaches 255; one may come between */
	WAIT_KILLABLE_RECV = 1 << 5,	/* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: headers may be older */
};

/* __X32_SYSCALL_BIT; there is no x32 on aarch64. */
static const uint32_t X32_BIT = 0x40000000;
/* What a tracer sets to have a call skipped; no call of any ABI. */
static const uint32_t NO_CALL = 0xffffffff;

static const uint32_t audit_arch[SECCOMP_ARCHES] = {
	[SECCOMP_X86_64] = AUDIT_ARCH_X86_64,
	[SECCOMP_AARCH64] = AUDIT_ARCH_AARCH64,
};

/* What a watched role is to tell of beside sockets: shmget, semget, msgget. By number, so that the names can be left out. */
enum { WATCHED = 3 };
static const uint8_t watched_calls[SECCOMP_ARCHES][WATCHED] = {
	[SECCOMP_X86_64] = { 29, 64, 68 },
	[SECCOMP_AARCH64] = { 194, 190, 186 },
};

/* Sanitizers make calls of their own (they map shadow memory, read /proc, start a thread): to find
 * what is wrong with a program they must be able to speak, so there a refusal is only an error. */
static const struct {
	uint8_t listed;		/* a call of the table without a verdict of its own */
	uint8_t unknown;	/* a number that the table does not have */
} role_default[SECCOMP_ROLES] = {
	[SECCOMP_COMMAND] = { VERDICT_ALLOW, VERDICT_ENOSYS },
	[SECCOMP_INIT] = { SANITIZED ? VERDICT_EPERM : VERDICT_KILL,
			   SANITIZED ? VERDICT_EPERM : VERDICT_KILL },
	[SECCOMP_SERVER] = { SANITIZED ? VERDICT_EPERM : VERDICT_KILL,
			     SANITIZED ? VERDICT_EPERM : VERDICT_KILL },
};

/* Neighbouring call numbers that get the same; it ends where the next begins. */
struct segment {
	uint32_t first;
	uint32_t weight;
	uint8_t verdict;
};

struct assembler {
	struct sock_filter *code;	/* SECCOMP_PROGRAM_MAX, filled from the end */
	unsigned int at;		/* the instruction written last */
	bool full;
	enum seccomp_role role;
	bool watched;
	unsigned int entry[SECCOMP_VERDICTS];
	struct segment segments[SEGMENTS_MAX];
	unsigned int segments_count;
};

static int arch_index(uint32_t arch)
{
#if defined(__x86_64__)
	if (arch == 0)
		return SECCOMP_X86_64;
#elif defined(__aarch64__)
	if (arch == 0)
		return SECCOMP_AARCH64;
#endif
	for (int i = 0; i < SECCOMP_ARCHES; i++) {
		if (audit_arch[i] == arch)
			return i;
	}
	return -ENOSYS;
}

static uint8_t resolve(enum seccomp_role role, uint8_t verdict)
{
	return verdict == VERDICT_DEFAULT ? role_default[role].listed : verdict;
}

/* Writes one instruction before all others and returns its place. */
static unsigned int emit(struct assembler *as, unsigned int code, uint32_t k, unsigned int yes,
			 unsigned int no)
{
	if (as->at == 0) {
		as->full = true;
		return 0;
	}
	as->code[--as->at] = (struct sock_filter){
		.code = (uint16_t)code, .jt = (uint8_t)yes, .jf = (uint8_t)no, .k = k
	};
	return as->at;
}

static unsigned int emit_load(struct assembler *as, size_t offset)
{
	return emit(as, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* A place in reach of the next instruction from which target is reached. */
static unsigned int near(struct assembler *as, unsigned int target)
{
	if (target - as->at <= JUMP_NEAR)
		return target;
	return emit(as, BPF_JMP | BPF_JA, target - as->at, 0, 0);
}

static unsigned int emit_test(struct assembler *as, unsigned int compare, uint32_t value,
			      unsigned int yes, unsigned int no)
{
	yes = near(as, yes);
	no = near(as, no);
	return emit(as, BPF_JMP | compare | BPF_K, value, yes - as->at, no - as->at);
}

/* An argument of seccomp() that the kernel does not look at. By it pid 1, whose calls nobody would answer while it waits for that,
 * loads its own filter after the command's. Nobody inside knows it, and who guesses has pid 1 to wait for each time. */
enum { PASS_ARGUMENT = 3 };

static uint64_t pass(void)
{
	uint64_t word;

	/* libc has the half before for itself. */
	memcpy(&word, (const char *)getauxval(AT_RANDOM) + sizeof(word), sizeof(word));
	return word;
}

static bool same_operand(const struct seccomp_rule *a, const struct seccomp_rule *b)
{
	return a->argument == b->argument && a->high == b->high && a->mask == b->mask;
}

static unsigned int emit_answer(struct assembler *as, enum seccomp_verdict which)
{
	const struct seccomp_answer *answer = &seccomp_answers[which];
	const struct seccomp_rule *rules = answer->rules;
	bool notice = as->watched &&
		      (which == VERDICT_SOCKET || which == VERDICT_INET || which == VERDICT_NETLINK);
	unsigned int count = 0, next;

	while (rules[count].test != RULE_NONE)
		count++;
	if (count == 0)
		return emit(as, BPF_RET | BPF_K, answer->value, 0, 0);
	next = as->entry[resolve(as->role, answer->otherwise)];
	for (unsigned int i = count; i-- > 0;) {
		const struct seccomp_rule *rule = &rules[i];

		uint8_t verdict = resolve(as->role, rule->verdict);

		if (notice && verdict == VERDICT_ALLOW)
			verdict = VERDICT_NOTICE;
		next = emit_test(as, rule->test == RULE_IS ? BPF_JEQ : BPF_JSET, rule->value,
				 as->entry[verdict], next);
		if (i > 0 && same_operand(rule, &rules[i - 1]))
			continue;
		if (rule->mask)
			emit(as, BPF_ALU | BPF_AND | BPF_K, rule->mask, 0, 0);
		/* Both of our machines are little-endian: the low half comes first. */
		next = emit_load(as, offsetof(struct seccomp_data, args) +
				 rule->argument * sizeof(uint64_t) + rule->high * sizeof(uint32_t));
	}
	if (which == VERDICT_SECCOMP) {
		unsigned int others = next;

		next = as->entry[VERDICT_ALLOW];
		for (size_t half = 0; half < 2; half++) {
			emit_test(as, BPF_JEQ, (uint32_t)(pass() >> 32 * half), next, others);
			next = emit_load(as, offsetof(struct seccomp_data, args[PASS_ARGUMENT]) +
					 half * sizeof(uint32_t));
		}
	}
	return next;
}

/* Writes the answers that the segments can lead to, and no others. */
static void emit_answers(struct assembler *as)
{
	bool used[SECCOMP_VERDICTS] = { [VERDICT_KILL] = true, [VERDICT_NOTICE] = as->role == SECCOMP_COMMAND };

	for (unsigned int i = 0; i < as->segments_count; i++)
		used[as->segments[i].verdict] = true;
	for (unsigned int v = SECCOMP_VERDICTS; v-- > 0;) {
		const struct seccomp_answer *answer = &seccomp_answers[v];

		if (!used[v] || answer->rules[0].test == RULE_NONE)
			continue;
		used[resolve(as->role, answer->otherwise)] = true;
		for (int i = 0; answer->rules[i].test; i++)
			used[resolve(as->role, answer->rules[i].verdict)] = true;
	}
	for (unsigned int v = VERDICT_DEFAULT + 1; v < SECCOMP_VERDICTS; v++) {
		if (used[v])
			as->entry[v] = emit_answer(as, (enum seccomp_verdict)v);
	}
}

static void add_segment(struct assembler *as, uint32_t first, uint8_t verdict, uint32_t weight)
{
	struct segment *last = as->segments + as->segments_count;

	if (as->segments_count > 0 && last[-1].verdict == verdict) {
		last[-1].weight += weight;
		return;
	}
	*last = (struct segment){ .first = first, .verdict = verdict, .weight = weight + 1 };
	as->segments_count++;
}

static int divide(struct assembler *as, int arch)
{
	uint8_t verdict[NUMBERS_MAX], often[NUMBERS_MAX] = { 0 };
	uint8_t unknown = role_default[as->role].unknown;

	memset(verdict, unknown, sizeof(verdict));
	for (size_t i = 0; i < seccomp_calls_count; i++) {
		const struct seccomp_call *call = &seccomp_calls[i];
		int number = seccomp_numbers(arch)[i];

		if (number < 0)
			continue;
		if (number >= NUMBERS_MAX)
			return -ENOSPC;
		verdict[number] = resolve(as->role, as->role == SECCOMP_COMMAND ? call->command :
					  as->role == SECCOMP_INIT ? call->init : call->server);
		often[number] = call->often;
	}
	for (size_t i = 0; as->watched && i < WATCHED; i++)
		verdict[watched_calls[arch][i]] = VERDICT_NOTICE;
	for (uint32_t n = 0; n < NUMBERS_MAX; n++)
		add_segment(as, n, verdict[n], often[n] * (uint32_t)OFTEN_SCALE);
	add_segment(as, NUMBERS_MAX, unknown, 0);
	if (arch == SECCOMP_X86_64) {
		add_segment(as, X32_BIT, VERDICT_KILL, 0);
		add_segment(as, NO_CALL, unknown, 0);
	}
	return 0;
}

/* A range with one number cut out of it is asked for that number: one test in place of two. */
static bool is_range_with_island(const struct segment *segments, unsigned int count)
{
	return count == 3 && segments[0].verdict == segments[2].verdict &&
	       segments[2].first - segments[1].first == 1;
}

/* Where to cut so that both sides weigh the same, as nearly as may be. */
static unsigned int middle(const struct segment *segments, unsigned int count)
{
	uint32_t total = 0, left = segments[0].weight;
	unsigned int cut = 1;

	for (unsigned int i = 0; i < count; i++)
		total += segments[i].weight;
	while (cut < count - 1 && left + segments[cut].weight / 2 < total / 2)
		left += segments[cut++].weight;
	return cut;
}

/* The search over count segments, the number being loaded. It calls itself for fewer segments each
 * time, so never deeper than SEGMENTS_MAX, in practice about ten deep. */
static unsigned int emit_search(struct assembler *as, const struct segment *segments,
				unsigned int count)
{
	unsigned int cut, left, right;

	if (count == 1)
		return as->entry[segments[0].verdict];
	if (is_range_with_island(segments, count))
		return emit_test(as, BPF_JEQ, segments[1].first, as->entry[segments[1].verdict],
				 as->entry[segments[0].verdict]);
	cut = middle(segments, count);
	right = emit_search(as, segments + cut, count - cut);
	left = emit_search(as, segments, cut);
	return emit_test(as, BPF_JGE, segments[cut].first, right, left);
}

int seccomp_build(struct seccomp_program *program, enum seccomp_role role, uint32_t arch)
{
	bool watched = role == SECCOMP_WATCHED;
	struct assembler as = {
		.code = program->code, .at = SECCOMP_PROGRAM_MAX,
		.role = watched ? SECCOMP_COMMAND : role, .watched = watched,
	};
	int index = arch_index(arch), error;
	unsigned int search;

	program->len = 0;
	if (index < 0)
		return index;
	error = divide(&as, index);
	if (error)
		return error;
	emit_answers(&as);
	search = emit_search(&as, as.segments, as.segments_count);
	/* With a single segment the search is an answer, and may lie anywhere. */
	if (search != as.at)
		emit(&as, BPF_JMP | BPF_JA, search - as.at, 0, 0);
	search = emit_load(&as, offsetof(struct seccomp_data, nr));
	emit_test(&as, BPF_JEQ, audit_arch[index], search, as.entry[VERDICT_KILL]);
	emit_load(&as, offsetof(struct seccomp_data, arch));
	if (as.full)
		return -ENOSPC;
	program->len = (unsigned short)(SECCOMP_PROGRAM_MAX - as.at);
	memmove(program->code, program->code + as.at, program->len * sizeof(program->code[0]));
	return 0;
}

static int load(const struct seccomp_program *program, unsigned int flags)
{
	/* The kernel's structure has no const; the kernel only copies from it. */
	const struct sock_fprog filter = {
		.len = program->len,
		.filter = (struct sock_filter *)(uintptr_t)program->code,
	};
	long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter, pass());

	return result < 0 ? -errno : (int)result;
}

int seccomp_load(const struct seccomp_program *program)
{
	return load(program, 0);
}

int seccomp_load_heard(const struct seccomp_program *program)
{
	/* Since Linux 5.19 a signal does not break a call off that pid 1 was told of. */
	int listener = load(program, SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE_RECV);

	return listener == -EINVAL ? load(program, SECCOMP_FILTER_FLAG_NEW_LISTENER) : listener;
}

int seccomp_hear(int listener, unsigned int *filters)
{
	struct seccomp_notif notice = { .id = 0 };

	/* Raw: musl's ioctl takes the number as an int. */
	if (syscall(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_RECV, &notice))
		return -errno;
	bool loads = notice.data.nr == SYS_seccomp || notice.data.nr == SYS_prctl;
	struct seccomp_notif_resp answer = { .id = notice.id };

	if (loads && *filters == 0) {
		answer.error = -EINVAL;
	} else {
		answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		*filters -= loads;
	}
	return syscall(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) ? -errno : 0;
}

bool seccomp_kills(void)
{
	return !SANITIZED;
}

/* The answer, and how many instructions it took. What the kernel would not accept is a kill. */
static uint32_t run(const struct seccomp_program *program, const struct seccomp_data *data,
		    unsigned int *steps)
{
	uint32_t a = 0;
	size_t at = 0;

	*steps = 0;
	while (at < program->len) {
		const struct sock_filter *code = &program->code[at++];

		++*steps;
		switch (code->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (code->k % sizeof(a) || code->k > sizeof(*data) - sizeof(a))
				return SECCOMP_RET_KILL_PROCESS;
			memcpy(&a, (const char *)data + code->k, sizeof(a));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= code->k;
			break;
		case BPF_JMP | BPF_JA:
			at += code->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += a == code->k ? code->jt : code->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += a >= code->k ? code->jt : code->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			at += a & code->k ? code->jt : code->jf;
			break;
		case BPF_RET | BPF_K:
			return code->k;
		default:
			return SECCOMP_RET_KILL_PROCESS;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

uint32_t seccomp_evaluate(const struct seccomp_program *program, const struct seccomp_data *data)
{
	unsigned int steps;

	return run(program, data, &steps);
}

int seccomp_number(uint32_t arch, const char *name)
{
	int index = arch_index(arch);

	for (size_t i = 0; index >= 0 && i < seccomp_calls_count; i++) {
		int number = seccomp_numbers(index)[i];

		if (number >= 0 && strcmp(seccomp_names[i], name) == 0)
			return number;
	}
	return -ENOENT;
}

const char *seccomp_name(uint32_t arch, int number)
{
	int index = arch_index(arch);

	for (size_t i = 0; index >= 0 && number >= 0 && i < seccomp_calls_count; i++) {
		if (seccomp_numbers(index)[i] == number)
			return seccomp_names[i];
	}
	return NULL;
}
