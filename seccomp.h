/* seccomp.h - the system call policies, as tables, and the BPF programs made of them
 *
 * Knows x86-64 and aarch64. Policies are const tables; jump offsets are computed. */
#ifndef SECCOMP_H
#define SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

enum { SECCOMP_PROGRAM_MAX = 1024 };	/* instructions */

enum seccomp_role {
	SECCOMP_COMMAND,	/* what runs in the sandbox: all is allowed but what the table refuses (docs/security.md), and for
				   filters of its own whoever holds the listener is asked: without one they are ENOSYS */
	SECCOMP_INIT,		/* pid 1 of the sandbox, once the command runs: only what its loop needs; else killed */
	SECCOMP_SERVER,		/* the server process: only what a poll loop needs; else killed */
	SECCOMP_WATCHED,	/* as SECCOMP_COMMAND, but whoever holds the listener is also told before a socket is
				   made, or something of SysV ipc is looked up or made */
};

struct seccomp_program {
	struct sock_filter code[SECCOMP_PROGRAM_MAX];
	unsigned short len;
};

/* Builds a role's program for an AUDIT_ARCH_* (0: the one this binary is for). Pure: no system call. 0, -ENOSYS for
 * an architecture without a table, -ENOSPC. */
int seccomp_build(struct seccomp_program *program, enum seccomp_role role, uint32_t arch);
/* Loads it for the calling thread by a raw system call (fit for between clone and exec); no_new_privs must be set already.
 * 0 or -errno. */
int seccomp_load(const struct seccomp_program *program);
/* The same with a listener, CLOEXEC, which is returned; or -errno (-EBUSY: somebody listens to us already; nothing is loaded). */
int seccomp_load_heard(const struct seccomp_program *program);
/* Takes one notice off the listener and lets its call go on; but of filters no more than *filters, which is counted down: then EINVAL, as
 * from a kernel that has none. 0 or -errno. */
int seccomp_hear(int listener, unsigned int *filters);
/* Whether SECCOMP_INIT and SECCOMP_SERVER kill: not in a build with sanitizers. */
bool seccomp_kills(void);
/* What the program answers for a call: SECCOMP_RET_*. A plain interpreter, for tests. */
uint32_t seccomp_evaluate(const struct seccomp_program *program, const struct seccomp_data *data);
/* The number of a system call by its name on an arch, or -ENOENT; and the name of a number, or NULL. Only
 * calls that the tables name, or that the arch's table lists. */
int seccomp_number(uint32_t arch, const char *name);
const char *seccomp_name(uint32_t arch, int number);

#endif
