/* seccomp_table.c - the system call policy: data, no code
 *
 * The numbers are written out here, since the headers of a build machine may be older than the
 * kernel that the program runs on, and what they do not name could not be refused. Numbers are
 * never reassigned. What each refusal is for is told in docs/syscalls.md. */
#include "seccomp_table.h"
#include "seccomp.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define RULES(...) (const struct seccomp_rule[]){ __VA_ARGS__, { .test = RULE_NONE } }
#define ANSWER(number) { .rules = no_rules, .value = (number) }
#define REFUSED(number) ANSWER(SECCOMP_RET_ERRNO | (number))
#define IS(n, constant, then) \
	{ .test = RULE_IS, .argument = (n), .value = (constant), .verdict = VERDICT_##then }
#define ANY_BIT(n, bits, then) \
	{ .test = RULE_ANY_BIT, .argument = (n), .value = (bits), .verdict = VERDICT_##then }

/* SIOCGIFBR, SIOCGIFVLAN, SIOCBRADDBR, SIOCADDDLCI, and the one after each: of any socket, they load the module before a right is asked for. */
#define LOADS(command, then) \
	{ .test = RULE_IS, .argument = 1, .mask = 0xfffffffe, .value = (command), .verdict = VERDICT_##then }

enum {
	/* No CLONE_NEWTIME: in the flags of clone() its bit is a part of the exit signal. */
	NEW_NAMESPACE = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
	UNSHARE_ALLOWED = CLONE_FS | CLONE_FILES | CLONE_SYSVSEM,
	SOCKET_TYPE = 0xf,	/* the rest of the word is SOCK_CLOEXEC and SOCK_NONBLOCK */
	SOCKET_RARE = 0xc,	/* with protocol 0 SOCK_SEQPACKET opens SCTP, SOCK_DCCP DCCP, where the kernel has them */
	SOCKET_PACKET = 10,	/* SOCK_PACKET: turns AF_INET into AF_PACKET */
	SCHED_CORE = 62,	/* PR_SCHED_CORE, Linux 5.14 */
	SET_SECCOMP = 22,	/* PR_SET_SECCOMP */
	/* SO_ATTACH_*; the numbers are those of every machine of ours. */
	ATTACH_FILTER = 26,
	ATTACH_BPF = 50,
	ATTACH_REUSEPORT_CBPF = 51,
	ATTACH_REUSEPORT_EBPF = 52,
	MMAP_HUGETLB = 0x40000,
	MEMFD_HUGETLB = 4,
};

static const struct seccomp_rule no_rules[] = { { .test = RULE_NONE } };

const struct seccomp_answer seccomp_answers[SECCOMP_VERDICTS] = {
	[VERDICT_DEFAULT] = ANSWER(0),	/* resolved to another by the role */
	[VERDICT_ALLOW] = ANSWER(SECCOMP_RET_ALLOW),
	[VERDICT_KILL] = ANSWER(SECCOMP_RET_KILL_PROCESS),
	[VERDICT_EPERM] = REFUSED(EPERM),
	[VERDICT_ENOSYS] = REFUSED(ENOSYS),
	[VERDICT_EINVAL] = REFUSED(EINVAL),
	[VERDICT_EAFNOSUPPORT] = REFUSED(EAFNOSUPPORT),
	[VERDICT_EPROTONOSUPPORT] = REFUSED(EPROTONOSUPPORT),
	[VERDICT_DONE] = REFUSED(0),
	[VERDICT_NOTICE] = ANSWER(SECCOMP_RET_USER_NOTIF),

	[VERDICT_SOCKET] = {
		.rules = RULES(
			IS(0, AF_UNIX, ALLOW),
			IS(0, AF_INET, INET),
			IS(0, AF_INET6, INET),
			IS(0, AF_NETLINK, NETLINK)),
		.otherwise = VERDICT_EAFNOSUPPORT,
	},
	[VERDICT_INET] = {
		.rules = RULES(
			{ .test = RULE_IS, .argument = 1, .mask = SOCKET_TYPE,
			  .value = SOCKET_PACKET, .verdict = VERDICT_EAFNOSUPPORT },
			ANY_BIT(1, SOCKET_RARE, EPROTONOSUPPORT),
			IS(2, 0, ALLOW),
			IS(2, IPPROTO_TCP, ALLOW),
			IS(2, IPPROTO_UDP, ALLOW)),
		.otherwise = VERDICT_EPROTONOSUPPORT,
	},
	[VERDICT_NETLINK] = {	/* NETLINK_ROUTE: getaddrinfo and getifaddrs ask it */
		.rules = RULES(IS(2, 0, ALLOW)),
		.otherwise = VERDICT_EAFNOSUPPORT,
	},
	[VERDICT_IOCTL] = {
		.rules = RULES(
			IS(1, TIOCSTI, EPERM),
			IS(1, TIOCLINUX, EPERM),
			IS(1, TIOCCONS, EPERM),
			IS(1, TIOCSETD, EPERM),
			IS(1, FS_IOC_FSSETXATTR, EPERM),
			LOADS(0x8940, EPERM), LOADS(0x8982, EPERM), LOADS(0x89a0, EPERM), LOADS(0x8980, EPERM)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_CLONE] = {
		.rules = RULES(ANY_BIT(0, NEW_NAMESPACE, EPERM)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_UNSHARE] = {
		.rules = RULES(ANY_BIT(0, ~(uint32_t)UNSHARE_ALLOWED, EPERM)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_PERSONALITY] = {
		.rules = RULES(
			IS(0, 0, ALLOW),
			IS(0, ADDR_NO_RANDOMIZE, ALLOW),
			IS(0, 0xffffffff, ALLOW)),
		.otherwise = VERDICT_EPERM,
	},
	[VERDICT_PRCTL] = {
		.rules = RULES(IS(0, SCHED_CORE, EINVAL), IS(0, SET_SECCOMP, NOTICE)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_ADVICE] = {
		.rules = RULES(IS(3, POSIX_FADV_DONTNEED, DONE)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_SECCOMP] = {
		.rules = RULES(IS(0, SECCOMP_SET_MODE_FILTER, NOTICE)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_SOCKET_OPTION] = {
		.rules = RULES(
			IS(2, ATTACH_FILTER, EPERM),
			IS(2, ATTACH_BPF, EPERM),
			IS(2, ATTACH_REUSEPORT_CBPF, EPERM),
			IS(2, ATTACH_REUSEPORT_EBPF, EPERM),
			IS(2, SO_SNDBUF, DONE),
			IS(2, SO_RCVBUF, DONE)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_SETSOCKOPT] = {
		.rules = RULES(IS(1, SOL_SOCKET, SOCKET_OPTION)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_MMAP] = {
		.rules = RULES(ANY_BIT(3, MMAP_HUGETLB, EPERM)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_MEMFD] = {
		.rules = RULES(ANY_BIT(1, MEMFD_HUGETLB, EPERM)),
		.otherwise = VERDICT_ALLOW,
	},
	/* gpg, ssh-agent and others end when they cannot turn core files off: they are told that they did. */
	[VERDICT_SETRLIMIT] = {
		.rules = RULES(IS(0, RLIMIT_CORE, DONE)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_CORE_LIMIT] = {	/* where there is a new limit, and not only a question */
		.rules = RULES(
			ANY_BIT(2, 0xffffffff, DONE),
			{ .test = RULE_ANY_BIT, .argument = 2, .high = 1, .value = 0xffffffff,
			  .verdict = VERDICT_DONE }),
		.otherwise = VERDICT_ALLOW,
	},
	/* Pid 1 has a uid of its own, and the kernel says the same; but for an ordinary user's sandboxes, which have one uid. */
	[VERDICT_PRLIMIT] = {
		.rules = RULES(IS(0, 1, EPERM), IS(1, RLIMIT_CORE, CORE_LIMIT)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_PID] = {
		.rules = RULES(IS(0, 1, EPERM)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_WHO] = {	/* PRIO_USER is 2, IOPRIO_WHO_USER 3 */
		.rules = RULES(IS(1, 1, EPERM), ANY_BIT(0, 2, EPERM)),
		.otherwise = VERDICT_ALLOW,
	},
	[VERDICT_NO_EXEC] = {
		.rules = RULES(ANY_BIT(2, PROT_EXEC, DEFAULT)),
		.otherwise = VERDICT_ALLOW,
	},
};

#define OFTEN(weight) .often = (weight)
#define COMMAND(what) .command = VERDICT_##what
#define INIT(what) .init = VERDICT_##what
#define SERVER(what) .server = VERDICT_##what

/* Names apart: the program itself asks for none, and the linker leaves them out. */
#define CALL(name, x86_64, aarch64, ...) #name,
const char seccomp_names[][SECCOMP_NAME_SIZE] = {
#include "seccomp_calls.def"
};
#undef CALL

#define CALL(name, x86_64, aarch64, ...) x86_64,
const int16_t seccomp_x86_64[] = {
#include "seccomp_calls.def"
};
#undef CALL

#define CALL(name, x86_64, aarch64, ...) aarch64,
const int16_t seccomp_aarch64[] = {
#include "seccomp_calls.def"
};
#undef CALL

#define CALL(name, x86_64, aarch64, ...) { __VA_ARGS__ },
const struct seccomp_call seccomp_calls[] = {
#include "seccomp_calls.def"
};
#undef CALL

const size_t seccomp_calls_count = sizeof(seccomp_calls) / sizeof(seccomp_calls[0]);
