/* needs: seccomp_table.c */
#include "test.h"

#include "../../seccomp.c"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/net.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ALLOW SECCOMP_RET_ALLOW
#define KILL SECCOMP_RET_KILL_PROCESS
#define REFUSE(number) (SECCOMP_RET_ERRNO | (number))
#define X86_64 AUDIT_ARCH_X86_64
#define AARCH64 AUDIT_ARCH_AARCH64
/* What the two roles that may do little get for the rest. */
#define REST (SANITIZED ? REFUSE(EPERM) : KILL)

enum { LAST_TRIED = 1100, LAST_KNOWN = 469 };

/* The policy once more, in numbers and by hand, from docs/security.md and docs/syscalls.md; ended
 * by -1, and a pair of a number and its negative end is a range. */
static const int refused_x86_64[] = {
	103, 153, -155, 159, 161, 163, -176, 179, 212, 227, 246, 256, 279, 298, 300, 304, 305, 308,
	310, -313, 320, 321, 438, 443, 162, 306, -1
};
static const int missing_x86_64[] = {
	134, 136, 139, 156, 177, 178, 180, -185, 205, 206, 211, 214, -216, 236, 248, -250, 323,
	337, -423, 425, -433, 435, 442, 447, 467, 469, -LAST_TRIED, -1
};
static const int asked_x86_64[] = {
	9, 16, 41, 53, 54, 56, 135, 141, 142, 144, 157, 160, 203, 221, 251, 272, 302, 314,
	317, 319, -1
};
static const int init_x86_64[] = {
	0, 1, 3, 7, 13, -16, 39, 46, 47, 60, -62, 98, 131, 219, 228, 231, 247, 271, 289, 424, 434,
	-1
};
static const int server_x86_64[] = {
	0, 1, 3, 5, 7, 8, 11, -15, 17, -20, 24, 25, 28, 32, 35, 39, 44, -48, 51, 52, 54, 55, 60, 72,
	77, 96, 127, 128, 130, 131, 186, 200, 202, 219, 228, 230, -234, 271, 275, 276, 281, 288, 292,
	293, 318, 319, -1
};
static const int code_x86_64[] = { 9, 10, -1 };

static const int refused_aarch64[] = {
	18, 39, -41, 51, 58, 60, 89, 104, -106, 112, 116, 142, 161, 162, 170, 171, 224, 225, 238,
	239, 241, 262, 265, 266, 268, 270, -273, 280, 294, 438, 443, 81, 267, -1
};
static const int missing_aarch64[] = {
	0, 42, 217, -219, 234, 244, -259, 282, 295, -423, 425, -433, 435, 442, 447, 467, 469,
	-LAST_TRIED, -1
};
static const int asked_aarch64[] = {
	29, 30, 92, 97, 118, 119, 122, 140, 164, 167, 198, 199, 208, 220, 222, 223, 261, 274, 277, 279, -1
};
static const int init_aarch64[] = {
	29, 57, 63, 64, 73, 74, 93, -95, 113, 128, 129, 132, 134, 135, 139, 165, 172, 211, 212, 260,
	424, 434, -1
};
static const int server_aarch64[] = {
	21, -25, 46, 57, 59, 62, -68, 73, 76, 77, 80, 93, 94, 98, 101, 113, 115, 124, 128, 130,
	-137, 139, 169, 172, 178, 204, -212, 214, -216, 233, 242, 278, 279, -1
};
static const int code_aarch64[] = { 222, 226, -1 };

static const struct expected {
	uint32_t arch;
	const int *refused, *missing, *asked, *init, *server, *code;
} expected[] = {
	{ X86_64, refused_x86_64, missing_x86_64, asked_x86_64, init_x86_64, server_x86_64,
	  code_x86_64 },
	{ AARCH64, refused_aarch64, missing_aarch64, asked_aarch64, init_aarch64, server_aarch64,
	  code_aarch64 },
};

static bool in(const int *list, int number)
{
	for (int i = 0; list[i] != -1; i++) {
		if (list[i] == number)
			return true;
		if (list[i] < 0 && number > list[i - 1] && number <= -list[i])
			return true;
	}
	return false;
}

static struct seccomp_program *built(enum seccomp_role role, uint32_t arch)
{
	static struct seccomp_program program;

	if (seccomp_build(&program, role, arch) != 0) {
		printf("# role %d: no program\n", (int)role);
		exit(1);
	}
	return &program;
}

static uint32_t asked(const struct seccomp_program *program, uint32_t arch, uint32_t number,
		      uint64_t argument0, uint64_t argument1, uint64_t argument2)
{
	struct seccomp_data data = {
		.nr = (int)number, .arch = arch, .args = { argument0, argument1, argument2 }
	};

	return seccomp_evaluate(program, &data);
}

static uint32_t command(const char *name, uint64_t argument0, uint64_t argument1,
			uint64_t argument2)
{
	uint32_t answers[2] = { 0, 0 };

	for (size_t i = 0; i < 2; i++) {
		uint32_t arch = expected[i].arch;

		answers[i] = asked(built(SECCOMP_COMMAND, arch), arch,
				   (uint32_t)seccomp_number(arch, name), argument0, argument1,
				   argument2);
	}
	if (answers[0] != answers[1]) {
		printf("# %s: %#x on one, %#x on the other\n", name, answers[0], answers[1]);
		test_failures++;
	}
	return answers[0];
}

/* Checks an answer for every number, with all arguments 0 and with all bits of them set. */
static void check_all(enum seccomp_role role, const struct expected *want,
		      uint32_t (*expect)(const struct expected *, int number))
{
	const struct seccomp_program *program = built(role, want->arch);

	for (int n = 0; n <= LAST_TRIED; n++) {
		uint32_t zero = asked(program, want->arch, (uint32_t)n, 0, 0, 0);
		uint32_t ones = asked(program, want->arch, (uint32_t)n, ~0ULL, ~0ULL, ~0ULL);
		bool by_argument = role == SECCOMP_COMMAND ? in(want->asked, n) :
			role == SECCOMP_SERVER && in(want->code, n);

		if (!by_argument && (zero != expect(want, n) || ones != zero)) {
			printf("# arch %#x call %d: %#x and %#x, not %#x\n", want->arch, n, zero,
			       ones, expect(want, n));
			test_failures++;
		}
	}
}

static uint32_t for_command(const struct expected *want, int number)
{
	return in(want->refused, number) ? REFUSE(EPERM) :
		in(want->missing, number) ? REFUSE(ENOSYS) : ALLOW;
}

static uint32_t for_init(const struct expected *want, int number)
{
	return in(want->init, number) ? ALLOW : REST;
}

static uint32_t for_server(const struct expected *want, int number)
{
	return in(want->server, number) ? ALLOW : REST;
}

TEST("every call gets what the policy says, in each role, on both architectures")
{
	for (size_t i = 0; i < 2; i++) {
		check_all(SECCOMP_COMMAND, &expected[i], for_command);
		check_all(SECCOMP_INIT, &expected[i], for_init);
		check_all(SECCOMP_SERVER, &expected[i], for_server);
	}
}

TEST("a call of another architecture is a kill")
{
	static const uint32_t others[] = { AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0, 0xffffffff };

	for (int role = 0; role < SECCOMP_ROLES; role++) {
		for (size_t i = 0; i < 2; i++) {
			const struct seccomp_program *program =
				built((enum seccomp_role)role, expected[i].arch);

			for (uint32_t n = 0; n <= LAST_TRIED; n++) {
				for (size_t k = 0; k < 4; k++)
					CHECK_INT(asked(program, others[k], n, 0, 0, 0), KILL);
				CHECK_INT(asked(program, expected[1 - i].arch, n, 0, 0, 0), KILL);
			}
		}
	}
}

TEST("an x32 call is a kill")
{
	for (int role = 0; role < SECCOMP_ROLES; role++) {
		const struct seccomp_program *program = built((enum seccomp_role)role, X86_64);

		for (uint32_t n = 0; n <= LAST_TRIED; n++)
			CHECK_INT(asked(program, X86_64, 0x40000000 + n, 0, 0, 0), KILL);
		CHECK_INT(asked(program, X86_64, 0x7fffffff, 0, 0, 0), KILL);
		CHECK_INT(asked(program, X86_64, 0x80000000, 0, 0, 0), KILL);
		CHECK_INT(asked(program, X86_64, 0xfffffffe, 0, 0, 0), KILL);
	}
}

TEST("a number above the table, and the one of a skipped call, do not exist")
{
	for (size_t i = 0; i < 2; i++) {
		uint32_t arch = expected[i].arch;
		const struct seccomp_program *program = built(SECCOMP_COMMAND, arch);

		CHECK_INT(asked(program, arch, 0x3fffffff, 0, 0, 0), REFUSE(ENOSYS));
		CHECK_INT(asked(program, arch, 0xffffffff, 0, 0, 0), REFUSE(ENOSYS));
	}
	CHECK_INT(asked(built(SECCOMP_COMMAND, AARCH64), AARCH64, 0x40000000, 0, 0, 0),
		  REFUSE(ENOSYS));
}

TEST("the watched filter tells of sockets and of SysV ipc, and is the command's in all else")
{
	static const char *const told[] = { "shmget", "semget", "msgget" };

	for (size_t i = 0; i < 2; i++) {
		uint32_t arch = expected[i].arch;
		struct seccomp_program plain = *built(SECCOMP_COMMAND, arch);
		const struct seccomp_program *watched = built(SECCOMP_WATCHED, arch);

		for (uint32_t n = 0; n < 512; n++) {
			const char *name = seccomp_name(arch, (int)n);
			bool ipc = name && (!strcmp(name, told[0]) || !strcmp(name, told[1]) || !strcmp(name, told[2]));
			for (uint64_t family = 0; family < 48; family++)
				for (uint64_t type = 0; type < 12; type++) {
					uint64_t protocol = type % 3 ? IPPROTO_TCP : 0;
					uint32_t answer = asked(&plain, arch, n, family, type, protocol);
					bool socket = name && !strncmp(name, "socket", 6);
					if (answer == SECCOMP_RET_ALLOW && (ipc || socket))
						answer = SECCOMP_RET_USER_NOTIF;
					CHECK_INT(asked(watched, arch, n, family, type, protocol), answer);
				}
		}
	}
}

TEST("terminal tricks are refused, also with the high half of the command set")
{
	static const uint64_t bad[] = { TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD, 0x401c5820, 0x8940, 0x8941, 0x8980, 0x8981, 0x8982, 0x8983, 0x89a0, 0x89a1 };

	CHECK_INT(FS_IOC_FSSETXATTR, 0x401c5820);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_INT(command("ioctl", 0, bad[i], 0), REFUSE(EPERM));
		CHECK_INT(command("ioctl", 0, bad[i] | 1ULL << 32, 0), REFUSE(EPERM));
		CHECK_INT(command("ioctl", 0, bad[i] | 0xffffffffULL << 32, 0), REFUSE(EPERM));
		CHECK_INT(command("ioctl", bad[i], 0, bad[i]), ALLOW);
		CHECK_INT(command("ioctl", 0, bad[i] << 32, 0), ALLOW);
	}
	CHECK_INT(command("ioctl", 0, TCGETS, 0), ALLOW);
	CHECK_INT(command("ioctl", 0, TIOCSCTTY, 0), ALLOW);
	CHECK_INT(command("ioctl", 0, FIONBIO, 0), ALLOW);
}

TEST("no namespace comes from clone or unshare")
{
	static const uint64_t namespaces[] = {
		CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
		CLONE_NEWPID, CLONE_NEWNET
	};

	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		CHECK_INT(command("clone", namespaces[i] | SIGCHLD, 0, 0), REFUSE(EPERM));
		CHECK_INT(command("clone", namespaces[i] | 1ULL << 63, 0, 0), REFUSE(EPERM));
		CHECK_INT(command("unshare", namespaces[i], 0, 0), REFUSE(EPERM));
		CHECK_INT(command("unshare", namespaces[i] | CLONE_FS, 0, 0), REFUSE(EPERM));
	}
	CHECK_INT(command("unshare", 0x80, 0, 0), REFUSE(EPERM));	/* CLONE_NEWTIME */
	CHECK_INT(command("unshare", CLONE_VM, 0, 0), REFUSE(EPERM));
	CHECK_INT(command("unshare", CLONE_FS | CLONE_FILES | CLONE_SYSVSEM, 0, 0), ALLOW);
	CHECK_INT(command("unshare", 0, 0, 0), ALLOW);
}

TEST("fork, vfork and threads pass clone, whatever the exit signal")
{
	CHECK_INT(command("clone", SIGCHLD, 0, 0), ALLOW);
	CHECK_INT(command("clone", CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0), ALLOW);
	CHECK_INT(command("clone", 0xff, 0, 0), ALLOW);
	CHECK_INT(command("clone", 0x80 | CLONE_VM, 0, 0), ALLOW);
	CHECK_INT(command("clone", 0x3d0f00, 0, 0), ALLOW);	/* pthread_create of glibc */
	CHECK_INT(command("clone", 0x7d0f00, 0, 0), ALLOW);	/* of musl */
	CHECK_INT(command("clone", 0x1200011, 0, 0), ALLOW);	/* fork of glibc */
}

TEST("personality is plain Linux, without randomisation at most")
{
	CHECK_INT(command("personality", 0, 0, 0), ALLOW);
	CHECK_INT(command("personality", ADDR_NO_RANDOMIZE, 0, 0), ALLOW);
	CHECK_INT(command("personality", 0xffffffff, 0, 0), ALLOW);
	CHECK_INT(command("personality", ~0ULL, 0, 0), ALLOW);
	CHECK_INT(command("personality", READ_IMPLIES_EXEC, 0, 0), REFUSE(EPERM));
	CHECK_INT(command("personality", READ_IMPLIES_EXEC | 1ULL << 32, 0, 0), REFUSE(EPERM));
	CHECK_INT(command("personality", ADDR_NO_RANDOMIZE | PER_LINUX32, 0, 0), REFUSE(EPERM));
	CHECK_INT(command("personality", 0xfffffffe, 0, 0), REFUSE(EPERM));
}

TEST("only four socket families exist, and only TCP and UDP among Internet protocols")
{
	static const char *const calls[] = { "socket", "socketpair" };
	const uint64_t high = 0xdeadbeefULL << 32;

	for (size_t i = 0; i < 2; i++) {
		const char *call = calls[i];

		for (uint64_t family = 0; family < 300; family++) {
			bool known = family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
				family == AF_NETLINK;

			CHECK_INT(command(call, family, SOCK_DGRAM, 0),
				  known ? ALLOW : REFUSE(EAFNOSUPPORT));
			CHECK_INT(command(call, family | high, SOCK_DGRAM, 0),
				  known ? ALLOW : REFUSE(EAFNOSUPPORT));
		}
		for (uint64_t protocol = 0; protocol < 300; protocol++) {
			bool known = protocol == 0 || protocol == 6 || protocol == 17;
			uint32_t internet = known ? ALLOW : REFUSE(EPROTONOSUPPORT);
			uint32_t netlink = protocol ? REFUSE(EAFNOSUPPORT) : ALLOW;

			CHECK_INT(command(call, AF_INET, SOCK_STREAM, protocol), internet);
			CHECK_INT(command(call, AF_INET6, SOCK_DGRAM, protocol | high), internet);
			CHECK_INT(command(call, AF_NETLINK, SOCK_RAW, protocol), netlink);
			CHECK_INT(command(call, AF_NETLINK, SOCK_RAW, protocol | high), netlink);
		}
		for (uint64_t type = 0; type < 16; type++) {
			uint32_t answer = type < 4 ? ALLOW : REFUSE(type == SOCK_PACKET ? EAFNOSUPPORT : EPROTONOSUPPORT);

			CHECK_INT(command(call, AF_INET, type, 0), answer);
			CHECK_INT(command(call, AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK | high, 0), answer);
			CHECK_INT(command(call, AF_UNIX, type, 0), ALLOW);
		}
		CHECK_INT(command(call, AF_INET, SOCK_PACKET, 0), REFUSE(EAFNOSUPPORT));
		CHECK_INT(command(call, AF_INET, SOCK_PACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0x300),
			  REFUSE(EAFNOSUPPORT));
		CHECK_INT(command(call, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 6),
			  ALLOW);
		CHECK_INT(command(call, AF_INET, SOCK_STREAM, 262), REFUSE(EPROTONOSUPPORT));
		CHECK_INT(command(call, AF_UNIX, SOCK_SEQPACKET, AF_UNIX), ALLOW);
	}
}

TEST("a core scheduling cookie cannot be had, all else of prctl can")
{
	CHECK_INT(command("prctl", 62, 1, 0), REFUSE(EINVAL));
	CHECK_INT(command("prctl", 62 | 1ULL << 40, 1, 0), REFUSE(EINVAL));
	CHECK_INT(command("prctl", PR_SET_NAME, 62, 62), ALLOW);
	CHECK_INT(command("prctl", PR_SET_NO_NEW_PRIVS, 1, 0), ALLOW);
}

TEST("a filter of the command's own is asked for, by both calls, and nothing else of seccomp() but by who knows the pass")
{
	const uint64_t low = pass() & 0xffffffff, high = pass() >> 32;

	CHECK_INT(command("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0), SECCOMP_RET_USER_NOTIF);
	CHECK_INT(command("prctl", PR_SET_SECCOMP | 1ULL << 40, SECCOMP_MODE_FILTER, 0), SECCOMP_RET_USER_NOTIF);
	CHECK_INT(command("prctl", PR_GET_SECCOMP, 0, 0), ALLOW);
	for (uint64_t flags = 0; flags < 64; flags++) {
		CHECK_INT(command("seccomp", SECCOMP_SET_MODE_FILTER, flags, 0), SECCOMP_RET_USER_NOTIF);
		CHECK_INT(command("seccomp", SECCOMP_SET_MODE_FILTER | 1ULL << 40, flags, 1), SECCOMP_RET_USER_NOTIF);
		CHECK_INT(command("seccomp", SECCOMP_SET_MODE_STRICT, flags, 0), ALLOW);
		CHECK_INT(command("seccomp", SECCOMP_GET_ACTION_AVAIL, flags, 0), ALLOW);
	}
	for (size_t i = 0; i < 4; i++) {
		uint32_t arch = expected[i % 2].arch;
		const struct seccomp_program *program = built(i < 2 ? SECCOMP_COMMAND : SECCOMP_WATCHED, arch);
		struct seccomp_data data = {
			.nr = seccomp_number(arch, "seccomp"), .arch = arch, .args = { SECCOMP_SET_MODE_FILTER }
		};

		/* Nor by half of it, by the halves in each other's place, or by all bits. */
		data.args[PASS_ARGUMENT] = ~0ULL;
		CHECK_INT(seccomp_evaluate(program, &data), SECCOMP_RET_USER_NOTIF);
		data.args[PASS_ARGUMENT] = low;
		CHECK_INT(seccomp_evaluate(program, &data), SECCOMP_RET_USER_NOTIF);
		data.args[PASS_ARGUMENT] = high << 32;
		CHECK_INT(seccomp_evaluate(program, &data), SECCOMP_RET_USER_NOTIF);
		data.args[PASS_ARGUMENT] = low << 32 | high;
		CHECK_INT(seccomp_evaluate(program, &data), SECCOMP_RET_USER_NOTIF);
		data.args[PASS_ARGUMENT] = pass();
		CHECK_INT(seccomp_evaluate(program, &data), ALLOW);
	}
}

TEST("no socket gets a filter or other buffers, and other options of sockets are set")
{
	static const uint64_t high = 1ULL << 40;

	for (uint64_t option = 0; option < 100; option++) {
		bool attaches = option == 26 || (option >= 50 && option <= 52);
		bool sizes = option == SO_SNDBUF || option == SO_RCVBUF;
		uint32_t answer = attaches ? REFUSE(EPERM) : sizes ? REFUSE(0) : ALLOW;

		CHECK_INT(command("setsockopt", 3, SOL_SOCKET, option), answer);
		CHECK_INT(command("setsockopt", 3, SOL_SOCKET | high, option | high), answer);
		CHECK_INT(command("setsockopt", 3, IPPROTO_TCP, option), ALLOW);
	}
}

TEST("what is in memory of a file is not dropped on advice, and all other advice is let through")
{
	for (size_t i = 0; i < 2; i++) {
		uint32_t arch = expected[i].arch;

		for (uint64_t advice = 0; advice < 16; advice++) {
			struct seccomp_data data = {
				.nr = seccomp_number(arch, "fadvise64"), .arch = arch, .args = { 4, 4, 4, advice }
			};

			CHECK_INT(seccomp_evaluate(built(SECCOMP_COMMAND, arch), &data), advice == 4 ? REFUSE(0) : ALLOW);
			data.args[3] |= 1ULL << 40;
			CHECK_INT(seccomp_evaluate(built(SECCOMP_COMMAND, arch), &data), advice == 4 ? REFUSE(0) : ALLOW);
		}
	}
}

TEST("huge pages cannot be had, by mmap or memfd_create")
{
	for (size_t i = 0; i < 2; i++) {
		uint32_t arch = expected[i].arch;
		struct seccomp_data data = {
			.nr = seccomp_number(arch, "mmap"), .arch = arch,
			.args = { 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE },
		};

		CHECK_INT(seccomp_evaluate(built(SECCOMP_COMMAND, arch), &data), ALLOW);
		data.args[3] |= 0x40000;
		CHECK_INT(seccomp_evaluate(built(SECCOMP_COMMAND, arch), &data), REFUSE(EPERM));
	}
	CHECK_INT(command("memfd_create", 4, 3, 4), ALLOW);
	CHECK_INT(command("memfd_create", 4, 4 | 1, 4), REFUSE(EPERM));
}

TEST("the limit of core files stays as it is, can be asked for, and a change is said to be made")
{
	CHECK_INT(command("setrlimit", 4, 0x1000, 0), REFUSE(0));
	CHECK_INT(command("setrlimit", 4 | 1ULL << 40, 0x1000, 0), REFUSE(0));
	CHECK_INT(command("setrlimit", 3, 0x1000, 0), ALLOW);
	CHECK_INT(command("prlimit64", 0, 4, 0), ALLOW);
	CHECK_INT(command("prlimit64", 0, 4, 0x1000), REFUSE(0));
	CHECK_INT(command("prlimit64", 0, 4, 0x4200000000), REFUSE(0));
	CHECK_INT(command("prlimit64", 0, 3, 0x4200000000), ALLOW);
}

TEST("the limits and the scheduling of pid 1 cannot be changed, those of others can")
{
	static const char *const by_pid[] = {
		"sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr",
		"prlimit64",
	};
	static const char *const by_who[] = { "setpriority", "ioprio_set" };
	static const uint64_t high = 1ULL << 40;

	for (size_t i = 0; i < sizeof(by_pid) / sizeof(by_pid[0]); i++) {
		for (uint64_t pid = 0; pid < 300; pid++) {
			uint32_t answer = pid == 1 ? REFUSE(EPERM) : ALLOW;

			CHECK_INT(command(by_pid[i], pid, 0, 0x1000), answer);
			CHECK_INT(command(by_pid[i], pid | high, 1, 0x1000), answer);
		}
		CHECK_INT(command(by_pid[i], 0xffffffff, 1, 0x1000), ALLOW);
	}
	CHECK_INT(command("prlimit64", 1, 4, 0x1000), REFUSE(EPERM));
	for (size_t i = 0; i < 2; i++) {
		for (uint64_t which = 0; which < 4; which++) {
			CHECK_INT(command(by_who[i], which, 1, 0), REFUSE(EPERM));
			CHECK_INT(command(by_who[i], which | high, 1 | high, 1), REFUSE(EPERM));
			uint32_t answer = which & 2 ? REFUSE(EPERM) : ALLOW;

			CHECK_INT(command(by_who[i], which, 0, 1), answer);
			CHECK_INT(command(by_who[i], which | high, 2, 1), answer);
		}
	}
}

TEST("the server can map memory, but not as code")
{
	for (size_t i = 0; i < 2; i++) {
		uint32_t arch = expected[i].arch;
		const struct seccomp_program *program = built(SECCOMP_SERVER, arch);

		for (int k = 0; expected[i].code[k] != -1; k++) {
			uint32_t call = (uint32_t)expected[i].code[k];

			for (uint64_t prot = 0; prot < 16; prot++)
				CHECK_INT(asked(program, arch, call, 4, 4, prot),
					  prot & PROT_EXEC ? REST : ALLOW);
			CHECK_INT(asked(program, arch, call, 0, 0, 1ULL << 63 | PROT_EXEC), REST);
		}
	}
}

TEST("every jump lands inside, and every program ends in an answer")
{
	for (int role = 0; role < SECCOMP_ROLES; role++) {
		for (size_t i = 0; i < 2; i++) {
			const struct seccomp_program *p =
				built((enum seccomp_role)role, expected[i].arch);

			for (size_t at = 0; at < p->len; at++) {
				const struct sock_filter *code = &p->code[at];

				if (BPF_CLASS(code->code) != BPF_JMP)
					continue;
				if (BPF_OP(code->code) == BPF_JA) {
					CHECK(at + 1 + code->k < p->len);
				} else {
					CHECK(at + 1 + code->jt < p->len);
					CHECK(at + 1 + code->jf < p->len);
				}
			}
			CHECK(p->len > 0 && BPF_CLASS(p->code[p->len - 1].code) == BPF_RET);
		}
	}
}

/* What the kernel does when it fills its map of allowed calls: true if nothing but the
 * number and the architecture is looked at, and the answer is to allow. */
static bool cached(const struct seccomp_program *program, uint32_t arch, uint32_t number)
{
	struct seccomp_program copy = *program;
	struct seccomp_data data = { .nr = (int)number, .arch = arch };

	for (size_t i = 0; i < copy.len; i++) {
		if (copy.code[i].code == (BPF_LD | BPF_W | BPF_ABS) &&
		    copy.code[i].k > offsetof(struct seccomp_data, arch))
			copy.code[i] = (struct sock_filter){ .code = BPF_RET | BPF_K, .k = KILL };
	}
	return seccomp_evaluate(&copy, &data) == ALLOW;
}

TEST("the kernel need not run the filter for a call that is always allowed")
{
	for (size_t i = 0; i < 2; i++) {
		const struct seccomp_program *program = built(SECCOMP_COMMAND, expected[i].arch);

		for (int n = 0; n <= LAST_TRIED; n++)
			CHECK_INT(cached(program, expected[i].arch, (uint32_t)n),
				  !in(expected[i].asked, n) &&
				  for_command(&expected[i], n) == ALLOW);
	}
}

TEST("programs are short, and usual calls take few instructions")
{
	static const char *const usual[] = {
		"read", "write", "close", "fstat", "lseek", "mmap", "openat", "newfstatat", "futex",
		"rt_sigaction", "rt_sigprocmask"
	};

	for (size_t i = 0; i < 2; i++) {
		uint32_t arch = expected[i].arch;
		const struct seccomp_program *program = built(SECCOMP_COMMAND, arch);
		unsigned int steps, worst = 0, sum = 0, count = sizeof(usual) / sizeof(usual[0]);

		CHECK(program->len <= 190);
		for (unsigned int n = 0; n < count; n++) {
			struct seccomp_data data = {
				.nr = seccomp_number(arch, usual[n]), .arch = arch
			};

			CHECK_INT(run(program, &data, &steps), ALLOW);
			sum += steps;
		}
		CHECK(sum <= 9 * count);
		for (int n = 0; n <= LAST_TRIED; n++) {
			struct seccomp_data data = { .nr = n, .arch = arch };

			run(program, &data, &steps);
			worst = steps > worst ? steps : worst;
		}
		CHECK(worst <= 22);
		printf("# arch %#x: %d instructions, at most %u a call, usual ones %.1f\n", arch,
		       program->len, worst, (double)sum / count);
	}
}

TEST("a program that the kernel would refuse is a kill on paper")
{
	static const struct sock_filter bad[] = {
		{ .code = BPF_LD | BPF_W | BPF_ABS, .k = sizeof(struct seccomp_data) },
		{ .code = BPF_LD | BPF_W | BPF_ABS, .k = 2 },
		{ .code = BPF_LD | BPF_W | BPF_ABS, .k = 0xfffffffc },
		{ .code = BPF_JMP | BPF_JA, .k = 0xffffffff },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .jt = 255, .jf = 255 },
		{ .code = BPF_LDX | BPF_IMM },
	};
	struct seccomp_program program = { .len = 2 };

	CHECK_INT(asked(&(struct seccomp_program){ .len = 0 }, X86_64, 0, 0, 0, 0), KILL);
	program.code[1] = (struct sock_filter){ .code = BPF_RET | BPF_K, .k = ALLOW };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		program.code[0] = bad[i];
		CHECK_INT(asked(&program, X86_64, 0, 0, 0, 0), KILL);
	}
}

TEST("the far end of a long program is reached, and one too long is refused")
{
	struct seccomp_program program;
	struct assembler as = { .code = program.code, .at = SECCOMP_PROGRAM_MAX };
	unsigned int yes = emit(&as, BPF_RET | BPF_K, ALLOW, 0, 0);
	unsigned int no = emit(&as, BPF_RET | BPF_K, KILL, 0, 0);
	unsigned int next = no;

	for (uint32_t i = 0; i < 500; i++)
		next = emit_test(&as, BPF_JEQ, i, yes, next);
	emit_load(&as, 0);
	CHECK(!as.full);
	program.len = (unsigned short)(SECCOMP_PROGRAM_MAX - as.at);
	memmove(program.code, program.code + as.at, program.len * sizeof(program.code[0]));
	for (uint32_t i = 0; i < 500; i++)
		CHECK_INT(asked(&program, 0, i, 0, 0, 0), ALLOW);
	CHECK_INT(asked(&program, 0, 500, 0, 0, 0), KILL);

	as = (struct assembler){ .code = program.code, .at = 10 };
	for (int i = 0; i < 10; i++)
		emit_load(&as, 0);
	CHECK(!as.full);
	emit_load(&as, 0);
	CHECK(as.full);
}

TEST("each row of the table has a name and numbers of its own")
{
	for (size_t i = 0; i < seccomp_calls_count; i++) {
		const struct seccomp_call *call = &seccomp_calls[i];
		const char *name = seccomp_names[i];

		CHECK(memchr(name, 0, SECCOMP_NAME_SIZE) && name[0]);
		CHECK(seccomp_x86_64[i] >= 0 || seccomp_aarch64[i] >= 0);
		CHECK(call->often <= 9);
		for (size_t k = 0; k < 2; k++) {
			int number = seccomp_numbers((int)k)[i];

			CHECK(number >= -1 && number <= LAST_KNOWN);
			if (number < 0)
				continue;
			CHECK(strcmp(seccomp_name(expected[k].arch, number), name) == 0);
			CHECK_INT(seccomp_number(expected[k].arch, name), number);
		}
	}
}

TEST("verdicts lead only to verdicts above them")
{
	for (unsigned int v = 0; v < SECCOMP_VERDICTS; v++) {
		const struct seccomp_answer *answer = &seccomp_answers[v];

		if (answer->rules[0].test == RULE_NONE)
			continue;
		CHECK(answer->otherwise < v);
		for (int i = 0; answer->rules[i].test; i++)
			CHECK(answer->rules[i].verdict < v && answer->rules[i].argument < 6);
	}
}

TEST("names and numbers that are not there are told apart from those that are")
{
	CHECK_INT(seccomp_number(X86_64, "openat"), 257);
	CHECK_INT(seccomp_number(AARCH64, "openat"), 56);
	CHECK_INT(seccomp_number(AARCH64, "open"), -ENOENT);
	CHECK_INT(seccomp_number(X86_64, "nonsense"), -ENOENT);
	CHECK_INT(seccomp_number(AUDIT_ARCH_I386, "open"), -ENOENT);
	CHECK_INT(seccomp_number(0, "read"), SYS_read);
	CHECK_INT(seccomp_number(0, "openat"), SYS_openat);
	CHECK(seccomp_name(X86_64, 470) == NULL);
	CHECK(seccomp_name(X86_64, -1) == NULL);
	CHECK(seccomp_name(AARCH64, 244) == NULL);
	CHECK(seccomp_name(AUDIT_ARCH_I386, 1) == NULL);
}

TEST("there is no program for an unknown architecture")
{
	struct seccomp_program program;

	CHECK_INT(seccomp_build(&program, SECCOMP_COMMAND, AUDIT_ARCH_I386), -ENOSYS);
	CHECK_INT(program.len, 0);
	CHECK_INT(seccomp_build(&program, SECCOMP_COMMAND, 0), 0);
}

/* A whole file, ended by NUL; NULL where there is none. */
static char *slurp(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 1 << 18);

	if (file && text && fread(text, 1, (1 << 18) - 1, file) > 0) {
		fclose(file);
		return text;
	}
	if (file)
		fclose(file);
	free(text);
	return NULL;
}

static char *slurp_first(const char *const *paths)
{
	char *text = NULL;

	for (size_t i = 0; !text && paths[i]; i++)
		text = slurp(paths[i]);
	return text;
}

/* Compares a header's numbers with the table, in both directions. Of numbers that only 32-bit
 * machines have (403 to 423), and of markers, the table knows nothing. */
static int check_header(char *text, uint32_t arch)
{
	static const struct { const char *theirs, *ours; } renamed[] = {
		{ "fstatat", "newfstatat" }, { "sync_file_range2", "sync_file_range" }
	};
	int found = 0;

	for (char *at = text; (at = strstr(at, "#define __NR"));) {
		char name[64], marker[8];
		const char *ours;
		int number;

		at += strlen("#define ");
		if (sscanf(at, "__NR%7[0-9]_%63[a-z0-9_A-Z] %d", marker, name, &number) != 3 &&
		    sscanf(at, "__NR_%63[a-z0-9_A-Z] %d", name, &number) != 2)
			continue;
		if (!strcmp(name, "syscalls") || !strcmp(name, "arch_specific_syscall") ||
		    (number >= 403 && number <= 423) || number > LAST_KNOWN)
			continue;
		for (size_t i = 0; i < 2; i++) {
			if (!strcmp(name, renamed[i].theirs))
				snprintf(name, sizeof(name), "%s", renamed[i].ours);
		}
		ours = seccomp_name(arch, number);
		if (!ours || strcmp(ours, name) != 0) {
			printf("# %d: %s there, %s here\n", number, name, ours ? ours : "none");
			test_failures++;
		}
		found++;
	}
	return found;
}

TEST("the numbers of x86-64 are those of the kernel's header")
{
	static const char *const paths[] = {
		"/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
		"/usr/x86_64-linux-gnu/include/asm/unistd_64.h",
#if defined(__x86_64__)
		"/usr/include/asm/unistd_64.h",
#endif
		NULL
	};
	char *text = slurp_first(paths);

	if (!text)
		SKIP("no asm/unistd_64.h of x86-64 here");
	CHECK(check_header(text, X86_64) > 300);
	free(text);
}

TEST("the numbers of aarch64 are those of the kernel's generic header")
{
	static const char *const paths[] = {
		"/usr/aarch64-linux-gnu/include/asm/unistd_64.h",
		"/usr/aarch64-linux-gnu/include/asm-generic/unistd.h",
		"/usr/include/asm-generic/unistd.h",
		NULL
	};
	char *text = slurp_first(paths);

	if (!text)
		SKIP("no asm-generic/unistd.h here");
	CHECK(check_header(text, AARCH64) > 280);
	free(text);
}

static bool has_word(const char *line, const char *end, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = line; at + n + 2 <= end; at++) {
		if (*at == '`' && at[n + 1] == '`' && !memcmp(at + 1, word, n))
			return true;
	}
	return false;
}

/* The first line of a section of the page that is of a kind ('|' or '-') and names a call; from
 * `after` on, where that is not NULL. */
static const char *find_line(const char *page, const char *section, char kind, const char *name,
			     const char *after)
{
	const char *line = strstr(page, section), *end;

	for (line = line ? strchr(line + 1, '\n') : NULL; line; line = end) {
		const char *cell;

		line++;
		end = strchr(line, '\n');
		if (!end || !strncmp(line, "## ", 3))
			return NULL;
		/* The first cell, or the whole line of a list. */
		cell = kind == '|' && *line == '|' ? strstr(line + 1, " |") : end;
		if (*line == kind && cell && cell <= end && (!after || line > after) &&
		    has_word(line, cell, name))
			return line;
	}
	return NULL;
}

static bool says(const char *line, const char *words)
{
	const char *found = line ? strstr(line, words) : NULL;

	return found && found < strchr(line, '\n');
}

/* Whether the lines of a section about a call name every value that its rules compare. */
static bool names_values(const char *page, const char *section, char kind, const char *name,
			 const struct seccomp_answer *answer)
{
	bool all = true;

	for (int i = 0; answer->rules[i].test; i++) {
		const struct seccomp_rule *rule = &answer->rules[i];
		const struct seccomp_answer *next = &seccomp_answers[rule->verdict];
		const char *line = NULL;
		bool named = false;
		char value[16];

		snprintf(value, sizeof(value), " %#x", rule->value);
		if (rule->value == 0)
			snprintf(value, sizeof(value), " 0x0");
		while ((line = find_line(page, section, kind, name, line)))
			named |= says(line, value);
		if (!named)
			printf("# %s: the page does not say%s\n", name, value);
		all &= named && (!next->rules[0].test ||
				 names_values(page, section, kind, name, next));
	}
	return all;
}

static char *read_page(void)
{
	static const char *const paths[] = { "docs/syscalls.md", "../docs/syscalls.md",
					     "../../docs/syscalls.md", NULL };
	char path[1024];
	const char *here = strstr(__FILE__, "test/unit/seccomp.c");
	char *page = NULL;

	if (here) {
		snprintf(path, sizeof(path), "%.*sdocs/syscalls.md", (int)(here - __FILE__),
			 __FILE__);
		page = slurp(path);
	}
	return page ? page : slurp_first(paths);
}

TEST("docs/syscalls.md tells of every call that the command is refused, of every one that it may make, and of no other")
{
	static const char *const words[SECCOMP_VERDICTS] = {
		[VERDICT_EPERM] = "| EPERM |", [VERDICT_ENOSYS] = "| ENOSYS |"
	};
	char *page = read_page();

	CHECK(page != NULL);
	for (size_t i = 0; page && i < seccomp_calls_count; i++) {
		const struct seccomp_call *call = &seccomp_calls[i];
		const char *name = seccomp_names[i];
		uint8_t verdict = call->command;
		const char *refused = find_line(page, "\n## Refused to", '|', name, NULL);
		const char *asks = find_line(page, "\n## Decided by", '|', name, NULL);
		bool by_argument = seccomp_answers[verdict].rules[0].test != RULE_NONE;
		bool right = verdict == VERDICT_DEFAULT ? !refused && !asks :
			by_argument ? asks && !refused &&
			names_values(page, "\n## Decided by", '|', name,
				     &seccomp_answers[verdict]) :
			refused && !asks && words[verdict] && says(refused, words[verdict]);

		if (find_line(page, "\n## Allowed after", '|', name, NULL))
			right &= verdict == VERDICT_DEFAULT;
		right &= (find_line(page, "\n## Every call", '-', name, NULL) != NULL) ==
			 (verdict == VERDICT_DEFAULT);
		if (!right)
			printf("# %s\n", name);
		CHECK(right);
	}
	free(page);
}

TEST("docs/syscalls.md lists what pid 1 and the server may do")
{
	char *page = read_page();

	CHECK(page != NULL);
	for (size_t i = 0; page && i < seccomp_calls_count; i++) {
		const struct seccomp_call *call = &seccomp_calls[i];
		const char *name = seccomp_names[i];
		uint8_t verdict = call->server;
		bool init = find_line(page, "\n## Pid 1", '-', name, NULL) != NULL;
		bool server = find_line(page, "\n## The server", '-', name, NULL) != NULL;

		if (init != (call->init != VERDICT_DEFAULT) ||
		    server != (verdict != VERDICT_DEFAULT))
			printf("# %s\n", name);
		CHECK_INT(init, call->init != VERDICT_DEFAULT);
		CHECK_INT(server, verdict != VERDICT_DEFAULT);
		CHECK(names_values(page, "\n## The server", '-', name,
				   &seccomp_answers[verdict]));
	}
	free(page);
}

TEST("docs/syscalls.md names no call that does not exist")
{
	char *page = read_page(), *at, *end, name[64];
	int section = 0;

	CHECK(page != NULL);
	for (char *line = page; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			break;
		section += !strncmp(line, "## ", 3);
		if (section == 0 || (*line != '|' && *line != '-'))
			continue;
		for (at = strchr(line, '`'); at && at < end; at = strchr(at, '`')) {
			if (sscanf(at, "`%63[a-z0-9_]`", name) == 1 &&
			    at[1 + strlen(name)] == '`' && seccomp_number(X86_64, name) < 0) {
				printf("# %s\n", name);
				test_failures++;
			}
			at = strchr(at + 1, '`');
			at = at ? at + 1 : end;
		}
	}
	free(page);
}

/* What became of a child that loaded a role's filter and then made the calls of `work`; its
 * exit status is what `work` returned, 100 if the filter did not load. */
static int in_child(int role, int (*work)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (role >= 0) {
			if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
			    seccomp_load(built((enum seccomp_role)role, 0)) != 0)
				_exit(100);
		}
		_exit(work());
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

#define EXITED(status, code) (WIFEXITED(status) && WEXITSTATUS(status) == (code))
#define ENDED_BY_FILTER(status) \
	(SANITIZED ? EXITED(status, EPERM) : WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)

/* The number of the first call that was not answered as it should be. */
#define EXPECT(number, call, error) \
	do { \
		errno = 0; \
		if ((call) != -1 || errno != (error)) \
			return number; \
	} while (0)

/* Tests are run as root, and a filter may be wrong: each of these calls is made so that it
 * would fail with another error, or change this child alone, if it were let through. */
static int try_refused(void)
{
	const uint64_t high = 0xabcdULL << 32;
	int fd;

	EXPECT(1, syscall(SYS_mount, NULL, NULL, NULL, 0, NULL), EPERM);
	EXPECT(2, syscall(SYS_unshare, CLONE_NEWUSER), EPERM);
	EXPECT(3, syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT);
	EXPECT(4, syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
	EXPECT(5, syscall(SYS_socket, AF_INET | high, SOCK_STREAM, 262 | high), EPROTONOSUPPORT);
	EXPECT(6, syscall(SYS_keyctl, 0, 0, 0), ENOSYS);
	EXPECT(7, syscall(425, 1, NULL), ENOSYS);	/* io_uring_setup */
	EXPECT(8, syscall(435, NULL, 0), ENOSYS);	/* clone3 */
	EXPECT(9, syscall(SYS_ioctl, -1, (uint64_t)TIOCSTI | high, NULL), EPERM);
	EXPECT(10, syscall(SYS_ioctl, -1, TIOCLINUX, NULL), EPERM);
	EXPECT(11, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
	EXPECT(12, syscall(SYS_personality, READ_IMPLIES_EXEC), EPERM);
	EXPECT(13, syscall(SYS_bpf, 0, NULL, 0), EPERM);
	EXPECT(14, syscall(500), ENOSYS);
	EXPECT(15, syscall(-1), ENOSYS);
	EXPECT(16, syscall(SYS_prctl, 62, 0, 0, 0, 0), EINVAL);
	EXPECT(17, syscall(SYS_chroot, NULL), EPERM);
	EXPECT(18, syscall(SYS_setns, -1, 0), EPERM);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || close(fd) != 0)
		return 30;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	if (fd < 0 || close(fd) != 0)
		return 31;
	fd = open("/dev/null", O_RDONLY);
	if (fd < 0 || close(fd) != 0)
		return 32;
	return unshare(CLONE_FS) == 0 ? 0 : 33;
}

TEST("the kernel takes the command's filter, and refuses what it should")
{
	int status = in_child(SECCOMP_COMMAND, try_refused);

	if (!EXITED(status, 0))
		printf("# status %#x\n", status);
	CHECK(EXITED(status, 0));
}

static int try_shell(void)
{
	int null = open("/dev/null", O_WRONLY);

	if (null < 0 || dup2(null, 1) < 0)
		return 101;
	execl("/bin/sh", "sh", "-c", "ls / | cat; (cd /tmp && exit 7)", (char *)NULL);
	return 102;
}

TEST("a shell with a pipe and a subshell runs under the command's filter")
{
	CHECK(EXITED(in_child(SECCOMP_COMMAND, try_shell), 7));
}

#if defined(__x86_64__)
/* getpid by the 32-bit entry. */
static int try_int80(void)
{
	long answer = 20;

	__asm__ volatile("int $0x80" : "+a"(answer) : : "memory", "r8", "r9", "r10", "r11");
	return answer > 0 ? 0 : 1;
}

static int try_x32(void)
{
	syscall(0x40000000 | SYS_getpid);
	return 0;
}

TEST("a call by int 0x80 ends the process")
{
	int status;

	if (!EXITED(in_child(-1, try_int80), 0))
		SKIP("this kernel has no 32-bit calls");
	for (int role = 0; role < SECCOMP_ROLES; role++) {
		status = in_child(role, try_int80);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}

TEST("an x32 call ends the process")
{
	for (int role = 0; role < SECCOMP_ROLES; role++) {
		int status = in_child(role, try_x32);

		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}
#endif

#define TRY(name, ...) \
	static int name(void) \
	{ \
		return syscall(__VA_ARGS__) == -1 ? errno : 0; \
	}
TRY(try_open, SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY)
TRY(try_exec, SYS_execve, "/bin/true", NULL, NULL)
TRY(try_fork, SYS_clone, SIGCHLD, 0, 0, 0, 0)
TRY(try_socket, SYS_socket, AF_UNIX, SOCK_STREAM, 0)
TRY(try_connect, SYS_connect, 0, NULL, 0)
TRY(try_unknown, 500)
TRY(try_code, SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)

TEST("an open, an exec, a fork or a socket ends pid 1 and the server")
{
	static int (*const tries[])(void) = {
		try_open, try_exec, try_fork, try_socket, try_connect, try_unknown, try_code
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		CHECK(ENDED_BY_FILTER(in_child(SECCOMP_INIT, tries[i])));
		CHECK(ENDED_BY_FILTER(in_child(SECCOMP_SERVER, tries[i])));
	}
}

static int try_server_work(void)
{
	int fds[2], copy;
	void *memory;
	char byte = 'x';

	if (pipe2(fds, O_CLOEXEC) != 0 || write(fds[1], &byte, 1) != 1 ||
	    read(fds[0], &byte, 1) != 1 || byte != 'x')
		return 1;
	memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ) != 0 ||
	    munmap(memory, 1 << 20) != 0)
		return 2;
	copy = (int)syscall(SYS_memfd_create, "x", 1U);
	if (copy < 0 || ftruncate(copy, 10) != 0 || lseek(copy, 0, SEEK_END) != 10 ||
	    fcntl(copy, F_GETFD) != FD_CLOEXEC)
		return 3;
	return close(copy) || close(fds[0]) || close(fds[1]) ? 4 : 0;
}

static int try_init_work(void)
{
	char byte;

	if (read(-1, &byte, 1) != -1 || errno != EBADF)
		return 1;
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		return 2;
	return syscall(SYS_getpid) > 0 ? 0 : 3;
}

TEST("what the server and pid 1 live by is allowed")
{
	CHECK(EXITED(in_child(SECCOMP_SERVER, try_server_work), 0));
	CHECK(EXITED(in_child(SECCOMP_INIT, try_init_work), 0));
}

static int try_abort(void)
{
	abort();
}

TEST("an abort of the server is seen as one")
{
	int status = in_child(SECCOMP_SERVER, try_abort);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

TEST("a filter that the kernel does not take is told of")
{
	static struct seccomp_program empty;

	CHECK_INT(seccomp_load(&empty), -EINVAL);
}

TEST_MAIN()
