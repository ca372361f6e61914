/* seccomp_table.h - what seccomp.c builds its programs from; nobody else includes this
 *
 * One row for each system call that Linux 6.18 knows on x86-64 or aarch64: its numbers, and what
 * each role gets for it. Adding a call is adding a row to seccomp_calls.def and, unless it is plainly
 * allowed, a line in docs/syscalls.md. */
#ifndef SECCOMP_TABLE_H
#define SECCOMP_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum { SECCOMP_ROLES = 3, SECCOMP_NAME_SIZE = 24 };

enum seccomp_arch { SECCOMP_X86_64, SECCOMP_AARCH64, SECCOMP_ARCHES };

/* What a call gets. A verdict that looks at arguments may lead only to those listed above it. */
enum seccomp_verdict {
	VERDICT_DEFAULT,	/* of the role: the command may, the other two are killed */
	VERDICT_ALLOW,
	VERDICT_KILL,
	VERDICT_EPERM,
	VERDICT_ENOSYS,
	VERDICT_EINVAL,
	VERDICT_EAFNOSUPPORT,
	VERDICT_EPROTONOSUPPORT,
	VERDICT_DONE,		/* not done, and said to be */
	VERDICT_NOTICE,		/* pid 1 is told, and lets it go on or not; ENOSYS where nobody listens */
	VERDICT_NETLINK,
	VERDICT_INET,
	VERDICT_SOCKET,
	VERDICT_IOCTL,
	VERDICT_CLONE,
	VERDICT_UNSHARE,
	VERDICT_PERSONALITY,
	VERDICT_PRCTL,
	VERDICT_ADVICE,
	VERDICT_SECCOMP,	/* but for who knows the pass: see seccomp.c */
	VERDICT_SOCKET_OPTION,
	VERDICT_SETSOCKOPT,
	VERDICT_MMAP,
	VERDICT_MEMFD,
	VERDICT_SETRLIMIT,
	VERDICT_CORE_LIMIT,
	VERDICT_PRLIMIT,
	VERDICT_PID,		/* the first argument, or the second, is a process: pid 1 is let alone */
	VERDICT_WHO,
	VERDICT_NO_EXEC,
	SECCOMP_VERDICTS
};

enum seccomp_rule_test {
	RULE_NONE,	/* ends a list of rules */
	RULE_IS,	/* the argument, under the rule's mask, is the value */
	RULE_ANY_BIT,	/* the argument has a bit of the value */
};

/* Only 32 bits of an argument are looked at, the low ones but for pointers: an argument with a rule
 * is an int to the kernel, or a long of which it uses those alone, and what it drops must hide
 * nothing from us. */
struct seccomp_rule {
	uint8_t test, argument;
	uint8_t high;		/* 1: the upper half of the argument */
	uint8_t verdict;	/* when the test is true; else the next rule is tried */
	uint32_t mask;		/* 0: all bits */
	uint32_t value;
};

struct seccomp_answer {
	const struct seccomp_rule *rules;	/* the first true one decides; RULE_NONE ends them */
	uint8_t otherwise;	/* where there are rules: the verdict when none is true */
	uint32_t value;		/* where there are none: SECCOMP_RET_* */
};

struct seccomp_call {
	uint16_t often : 4;	/* how near the root of the search it should be, 0 to 9 */
	uint16_t command : 5, init : 2, server : 5;	/* the verdict for each role */
};

_Static_assert(SECCOMP_VERDICTS <= 32, "a verdict has 5 bits");

extern const struct seccomp_answer seccomp_answers[SECCOMP_VERDICTS];
extern const struct seccomp_call seccomp_calls[];
extern const int16_t seccomp_x86_64[], seccomp_aarch64[];	/* numbers of the same rows; -1: not there */
extern const char seccomp_names[][SECCOMP_NAME_SIZE];	/* of the same rows */
extern const size_t seccomp_calls_count;

/* Apart, so that a program has only those of its own machine. */
static inline const int16_t *
seccomp_numbers(int arch)
{
	return arch == SECCOMP_X86_64 ? seccomp_x86_64 : seccomp_aarch64;
}

#endif
