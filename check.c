/* check.c - makes lines of what was tried: each says what is there, or why not and what to do
 *
 * Knows the texts: which sysctl, rule or option of a container is behind a refusal, and what
 * changes it. What was tried comes from check_kernel.c (each thing alone) and check_trial.c (a
 * whole sandbox); here files are only read, to find the cause of what has failed already. Nothing
 * is concluded from a version number. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/statvfs.h> /* ST_* */
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check_private.h"
#include "format.h"
#include "jail.h"
#include "json.h"
#include "result.h"
#include "seccomp.h"
#include "time_text.h"
#include "uid.h"

enum {
	TEXT_MAX = 4096,       /* of a file that is read for a cause */
	MOUNTS_MAX = 64 << 20,
	NOFILE_WANTED = 16384, /* the server's 10,240 connections, and the pipes of its runs */
};

#define PROC_PLACE " /proc/" /* in a line of mounts: its second word */
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* What is known of who we are. */
struct self {
	bool is_root;  /* uid 0 where we are */
	bool filtered; /* somebody's seccomp filter is on us */
	uint64_t capabilities;
	const char *container; /* NULL: none */
	bool pid_host;         /* in the host's own pid namespace */
	bool has_proc;
	int uids_error; /* no uids can be had */
	bool one_uid;   /* no more than one */
	unsigned first_uid;
	char label[128]; /* of AppArmor or another security module; empty: none */
	bool confined;   /* by AppArmor */
};

struct room {
	struct check *check;
	const struct options *options;
	struct self self;
	struct check_kernel kernel;
	struct check_trial trial;
	struct cgroup_facts cgroup;
};

/* --- lines --- */

const char *
check_status_name(enum check_status status)
{
	static const char names[][9] = {
		[CHECK_OK] = "ok",
		[CHECK_DEGRADED] = "degraded",
		[CHECK_MISSING] = "missing",
	};
	return names[status];
}

NO_DOUBLES __attribute__((format(printf, 4, 5))) static void
say(struct check *check, const char *name, enum check_status status, const char *format, ...)
{
	va_list arguments;

	if (check->len == CHECK_LINES_MAX)
		return;
	struct check_line *line = &check->lines[check->len++];
	snprintf(line->name, sizeof(line->name), "%s", name);
	line->status = status;
	if (status > check->status)
		check->status = status;
	va_start(arguments, format);
	vsnprintf(line->detail, sizeof(line->detail), format, arguments);
	va_end(arguments);
}

/* --- who we are --- */

/* The beginning of a file, as text; NULs become newlines. False: it cannot be read. */
static bool
read_text(const char *path, char text[TEXT_MAX])
{
	text[0] = '\0';
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, TEXT_MAX - 1);
	close(fd);
	if (n < 0)
		return false;
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = '\n';
	text[n] = '\0';
	return true;
}

static uint64_t
capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (syscall(SYS_capget, &header, data))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

/* Signs that a container's maker leaves: files, and words in the environment of its pid 1 and in
 * names of cgroups. */
static const char *
find_container(void)
{
	/* A file, a word in it (empty: that it is there), a name. */
	const char *path =
	    "/run/.containerenv\0" "\0" "podman\0"
	    "/.dockerenv\0" "\0" "docker\0"
	    "/proc/1/environ\0" "container=lxc\0" "lxc\0"
	    "/proc/1/environ\0" "container=systemd-nspawn\0" "systemd-nspawn\0"
	    "/proc/1/environ\0" "container=podman\0" "podman\0"
	    "/proc/1/environ\0" "KUBERNETES_SERVICE_HOST=\0" "kubernetes\0"
	    "/proc/1/environ\0" "container=\0" "a container\0"
	    "/run/systemd/container\0" "\0" "a container\0"
	    "/proc/self/cgroup\0" "/kubepods\0" "kubernetes\0"
	    "/proc/self/cgroup\0" "/docker\0" "docker\0"
	    "/proc/self/cgroup\0" "/libpod\0" "podman\0"
	    "/proc/self/cgroup\0" "/lxc\0" "lxc\0"
	    "/proc/self/cgroup\0" "/containerd\0" "containerd\0";
	char text[TEXT_MAX];

	while (*path) {
		const char *word = path + strlen(path) + 1, *name = word + strlen(word) + 1;
		if (*word ? read_text(path, text) && strstr(text, word) : !access(path, F_OK))
			return name;
		path = name + strlen(name) + 1;
	}
	return getenv("container") ? "a container" : NULL;
}

/* A label of AppArmor is "unconfined" or "profile (mode)"; another module's is told as it is. */
static void
find_label(struct self *self)
{
	char text[TEXT_MAX];

	if (!read_text("/proc/self/attr/apparmor/current", text) &&
	    !read_text("/proc/self/attr/current", text))
		return;
	text[strcspn(text, "\n")] = '\0';
	snprintf(self->label, sizeof(self->label), "%.127s", text);
	size_t len = strlen(text);
	self->confined = len && text[len - 1] == ')' && !strstr(text, "unconfined");
}

static void
find_self(struct self *self)
{
	struct uid_block block;
	char text[64];

	self->is_root = geteuid() == 0;
	self->filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;
	self->capabilities = capabilities();
	self->container = find_container();
	ssize_t n = readlink("/proc/self/ns/pid", text, sizeof(text));
	self->pid_host = n == 16 && !memcmp(text, "pid:[4026531836]", 16); /* PROC_PID_INIT_INO */
	self->has_proc = !access("/proc/self/stat", F_OK);
	find_label(self);
	self->uids_error = uid_block_open(&block, 0, NULL);
	self->one_uid = !self->uids_error && block.one;
	self->first_uid = block.init;
	if (!self->uids_error)
		uid_block_close(&block);
}

/* --- namespaces --- */

/* In the names of lines, of limits, and of options of the kernel. */
static const struct namespace_text {
	char line[6], limit[4], config[4];
} namespace_texts[CHECK_NAMESPACES] = {
	[CHECK_NS_PID] = { "pid", "pid", "PID" },
	[CHECK_NS_MOUNT] = { "mount", "mnt", "" },
	[CHECK_NS_IPC] = { "ipc", "ipc", "IPC" },
	[CHECK_NS_UTS] = { "uts", "uts", "UTS" },
	[CHECK_NS_NET] = { "net", "net", "NET" },
};

static bool
has(const struct self *self, unsigned capability)
{
	return self->capabilities >> capability & 1;
}

/* Why a user namespace is refused, and what allows it: by the switches that kernels and
 * distributions have for it. */
static void
explain_userns(const struct room *room, int error, char *text, size_t size)
{
	const struct self *self = &room->self;
	const char *forbidden = jail_userns_forbidden(!has(self, CAP_SYS_ADMIN));

	if (forbidden)
		snprintf(text, size, "%s", forbidden);
	else if (error == -EINVAL || error == -ENOSYS)
		snprintf(text, size, "the kernel has none: it needs CONFIG_USER_NS");
	else if (error == -ENOSPC)
		snprintf(
		    text, size, "there are as many as allowed: raise user.max_user_namespaces");
	else if (self->filtered)
		snprintf(text, size,
		    "a seccomp filter is on this process%s: start it without: docker's "
		    "--security-opt seccomp=unconfined",
		    self->container ? ", the container's" : "");
	else if (self->confined)
		snprintf(text, size,
		    "AppArmor's profile %s may refuse it: start unconfined: docker's "
		    "--security-opt apparmor=unconfined",
		    self->label);
	else
		snprintf(text, size,
		    "a security module refuses it, or this process is in a chroot: pivot_root "
		    "in its place");
}

/* Why something that needs privileges was refused. */
static void
explain(const struct room *room, int error, const char *sysctl, const char *config, char *text,
    size_t size)
{
	const struct self *self = &room->self;
	bool refused = error == -EPERM || error == -EACCES;

	if (refused && !self->is_root)
		snprintf(text, size, "an ordinary user: start as root%s",
		    room->kernel.namespaces[CHECK_NS_USER].error ? ", or see namespace_user" : "");
	else if (refused && !has(self, CAP_SYS_ADMIN))
		snprintf(text, size,
		    "CAP_SYS_ADMIN is missing: start with it: docker's --cap-add "
		    "SYS_ADMIN");
	else if ((refused || error == -ENOSYS) && self->filtered)
		snprintf(text, size,
		    "a seccomp filter is on this process%s: start it without: docker's "
		    "--security-opt seccomp=unconfined",
		    self->container ? ", the container's" : "");
	else if (refused && self->confined)
		snprintf(text, size,
		    "AppArmor's profile %s may refuse it: start unconfined: docker's "
		    "--security-opt apparmor=unconfined",
		    self->label);
	else if (error == -ENOSPC && sysctl)
		snprintf(text, size, "there are as many as allowed: raise %s", sysctl);
	else if (error == -ENOSYS)
		snprintf(text, size, "the kernel is too old: Linux %s or later",
		    room->kernel.needed_since);
	else if (error == -EINVAL && config && *config)
		snprintf(text, size, "the kernel has none: it needs %s", config);
	else if (error == -ETIMEDOUT)
		snprintf(text, size, "it hung, and was killed: see the kernel's log");
	else if (error == CHECK_UNTRIED)
		snprintf(text, size, "what comes before it has failed");
	else if (refused && self->one_uid)
		snprintf(text, size, "see uids");
	else if (refused)
		snprintf(text, size, "a security module refuses it: see the kernel's log");
	else
		snprintf(text, size, "see the kernel's log");
}

static const char *
reason(int error)
{
	return error == CHECK_UNTRIED ? "not tried" : strerror(-error);
}

/* "move_mount: Operation not permitted" */
static const char *
failure(const struct check_tried *tried, char *text, size_t size)
{
	bool step = tried->step && tried->error != CHECK_UNTRIED;

	snprintf(
	    text, size, "%s%s%s", step ? tried->step : "", step ? ": " : "", reason(tried->error));
	return text;
}

static void
say_tried(struct room *room, const char *name, const struct check_tried *tried, const char *what,
    const char *sysctl, const char *config)
{
	char why[256], failed[80];

	if (!tried->error) {
		say(room->check, name, CHECK_OK, "%s%s%s", what,
		    *what && tried->in_userns ? ", " : "",
		    tried->in_userns ? "within a user namespace" : "");
		return;
	}
	if (tried->error == -EINVAL && tried->step == check_step_private)
		snprintf(why, sizeof(why),
		    "the root is no mount point (chroot?): start by pivot_root, or "
		    "mount --bind it onto itself before");
	else
		explain(room, tried->error, sysctl, config, why, sizeof(why));
	say(room->check, name, CHECK_MISSING, "%s: %s", failure(tried, failed, sizeof(failed)),
	    why);
}

/* Root's sandboxes do without: the uids of the host are not taken from them then. */
static void
say_userns(struct room *room)
{
	const struct check_tried *tried = &room->kernel.namespaces[CHECK_NS_USER];
	const struct check_trial *trial = &room->trial;
	enum check_status status = room->self.is_root ? CHECK_DEGRADED : CHECK_MISSING;
	char why[256], failed[80];

	if (room->options->no_userns) {
		say(room->check, "namespace_user", CHECK_DEGRADED,
		    "turned off by --no-userns: leave that out");
	} else if (tried->error) {
		explain_userns(room, tried->error, why, sizeof(why));
		say(room->check, "namespace_user", status, "%s: %s",
		    failure(tried, failed, sizeof(failed)), why);
	} else if (trial->opened && !trial->facts.userns && !room->self.has_proc) {
		say(room->check, "namespace_user", status,
		    "uids are mapped by /proc: see proc_host");
	} else if (trial->opened && !trial->facts.userns) {
		say(room->check, "namespace_user", status,
		    "one can be made, but not with uids of a sandbox: %s: see uids", strerror(trial->facts.userns_error));
	} else {
		say(room->check, "namespace_user", CHECK_OK, "%s", "");
	}
}

static void
say_cgroup_namespace(struct room *room)
{
	const struct check_tried *tried = &room->kernel.namespaces[CHECK_NS_CGROUP];
	char why[256], failed[80];

	if (!tried->error || tried->error == CHECK_UNTRIED) {
		say_tried(room, "namespace_cgroup", tried, "", NULL, NULL);
		return;
	}
	explain(
	    room, tried->error, "user.max_cgroup_namespaces", "CONFIG_CGROUPS", why, sizeof(why));
	say(room->check, "namespace_cgroup", CHECK_DEGRADED,
	    "sandboxes see the names of the host's cgroups: "
	    "%s: %s",
	    failure(tried, failed, sizeof(failed)), why);
}

static void
say_namespaces(struct room *room)
{
	char name[20], sysctl[32], config[20];

	say_userns(room);
	for (size_t i = 0; i < CHECK_NAMESPACES; i++) {
		const struct namespace_text *text = &namespace_texts[i];
		snprintf(name, sizeof(name), "namespace_%.5s", text->line);
		snprintf(sysctl, sizeof(sysctl), "user.max_%.3s_namespaces", text->limit);
		snprintf(config, sizeof(config), *text->config ? "CONFIG_%.3s_NS" : "%.3s", text->config);
		if (i == CHECK_NS_CGROUP)
			say_cgroup_namespace(room);
		else if (i != CHECK_NS_USER)
			say_tried(room, name, &room->kernel.namespaces[i], "", sysctl, config);
	}
}

/* --- the file system --- */

/* All mounts are tried in one pair of namespaces: without it the line of that one says more. */
static void
say_mount(
    struct room *room, const char *name, enum check_mount id, const char *what, const char *config)
{
	const struct check_tried *tried = &room->kernel.mounts[id];
	const struct check_tried *namespaces = room->kernel.namespaces;

	if (tried->error && namespaces[CHECK_NS_MOUNT].error)
		say(room->check, name, CHECK_MISSING, "not tried: see namespace_mount");
	else if (tried->error && namespaces[CHECK_NS_PID].error)
		say(room->check, name, CHECK_MISSING, "not tried: see namespace_pid");
	else
		say_tried(room, name, tried, what, NULL, config);
}

/* In a user namespace a /proc that is partly covered (a container's) lets no new one be made. */
static void
say_proc(struct room *room)
{
	const struct check_tried *tried = &room->kernel.mounts[CHECK_PROC];

	if (tried->error == -EPERM && tried->in_userns && tried->step &&
	    !strcmp(tried->step, "fsmount"))
		say(room->check, "proc", CHECK_MISSING,
		    "fsmount: %s: the container covers parts of /proc: "
		    "start as root, or as docker does by --security-opt systempaths=unconfined",
		    reason(-EPERM));
	else
		say_mount(room, "proc", CHECK_PROC, "a new one, of a sandbox's own processes",
		    "CONFIG_PROC_FS");
}

/* Memory that is not limited is the host's. */
static void
say_disk(struct room *room)
{
	const struct check_tried *tried = &room->kernel.mounts[CHECK_DISK];

	if (tried->error == -EFBIG)
		say(room->check, "limit_disk", CHECK_MISSING,
		    "a tmpfs takes more than its size: the kernel needs "
		    "CONFIG_SHMEM");
	else
		say_mount(room, "limit_disk", CHECK_DISK, "by the size of a tmpfs", NULL);
}

static void
say_mounts(struct room *room)
{
	if (room->self.has_proc)
		say(room->check, "proc_host", CHECK_OK, "%s", "");
	else
		say(room->check, "proc_host", CHECK_MISSING,
		    "there is no /proc here: mount -t proc proc /proc");
	say_mount(room, "tmpfs", CHECK_TMPFS, "", "CONFIG_TMPFS");
	say_mount(room, "bind", CHECK_BIND, "read-only", NULL);
	say_proc(room);
	say_mount(room, "pivot_root", CHECK_PIVOT_ROOT, "", NULL);
}

/* --- filters and rights --- */

static void
say_filters(struct room *room)
{
	const struct check_kernel *kernel = &room->kernel;
	struct check *check = room->check;

	if (kernel->no_new_privs)
		say(check, "no_new_privs", CHECK_MISSING, "%s: Linux 3.5 or later",
		    reason(kernel->no_new_privs));
	else
		say(check, "no_new_privs", CHECK_OK, "%s", "");
	if (kernel->seccomp == -EIO)
		say(check, "seccomp", CHECK_MISSING,
		    "a filter was taken, but refuses nothing: an emulation?");
	else if (kernel->seccomp)
		say(check, "seccomp", CHECK_MISSING,
		    "%s: CONFIG_SECCOMP_FILTER in the kernel, and no container "
		    "that refuses it",
		    reason(kernel->seccomp));
	else if (!seccomp_kills())
		say(check, "seccomp", CHECK_OK,
		    "a call was refused; this build, for tests, kills for none");
	else if (kernel->seccomp_kill)
		say(check, "seccomp", CHECK_MISSING,
		    "a filter refuses, but does not kill: Linux 4.14 or later");
	else
		say(check, "seccomp", CHECK_OK,
		    "a call was refused, another killed");
}

/* What root's launcher needs, each found by taking it away. */
static const struct capability {
	char name[14];
	uint8_t number;
	bool without_userns; /* only where sandboxes have no user namespace */
} capabilities_needed[] = {
	{ "SYS_ADMIN", CAP_SYS_ADMIN, false },   /* namespaces, mounts */
	{ "NET_ADMIN", CAP_NET_ADMIN, false },   /* the loopback of a sandbox */
	{ "SYS_CHROOT", CAP_SYS_CHROOT, false }, /* the server's empty root */
	{ "SETUID", CAP_SETUID, false },
	{ "SETGID", CAP_SETGID, false },
	{ "CHOWN", CAP_CHOWN, false }, /* this and the next two: files of a sandbox */
	{ "FOWNER", CAP_FOWNER, false },
	{ "DAC_OVERRIDE", CAP_DAC_OVERRIDE, false },
	{ "SETPCAP", CAP_SETPCAP, true }, /* dropping rights */
	{ "KILL", CAP_KILL, true },       /* ending what is left of a tree */
};

static void
say_capabilities(struct room *room)
{
	bool userns = !room->trial.opened || room->trial.facts.userns;
	char missing[160] = "";
	size_t len = 0;

	if (!room->self.is_root) {
		if (room->kernel.namespaces[CHECK_NS_USER].error)
			say(room->check, "capabilities", CHECK_MISSING,
			    "an ordinary user without user namespaces: "
			    "start as root, or see namespace_user");
		else
			say(room->check, "capabilities", CHECK_OK, "those of a user namespace");
		return;
	}
	for (size_t i = 0; i < LEN(capabilities_needed); i++) {
		const struct capability *needed = &capabilities_needed[i];
		if (has(&room->self, needed->number) || (needed->without_userns && userns))
			continue;
		/* Without these no namespace gets its ids, which tells nothing of what it would be with them. */
		userns |= needed->number == CAP_SETUID || needed->number == CAP_SETGID;
		int n = snprintf(missing + len, sizeof(missing) - len, " %s", needed->name);
		if (n > 0 && (size_t)n < sizeof(missing) - len)
			len += (size_t)n;
	}
	if (len)
		say(room->check, "capabilities", CHECK_MISSING,
		    "not there:%s: start with them: docker's "
		    "--cap-add for each",
		    missing);
	else
		say(room->check, "capabilities", CHECK_OK, "all that are needed");
}

static void
say_uids(struct room *room)
{
	const struct self *self = &room->self;

	if (self->uids_error)
		say(room->check, "uids", CHECK_MISSING,
		    "none can be taken: %s: too many servers, or no abstract sockets",
		    strerror(-self->uids_error));
	else if (!self->one_uid)
		say(room->check, "uids", CHECK_OK, "each sandbox has its own, from %u",
		    self->first_uid);
	else if (self->is_root)
		say(room->check, "uids", CHECK_DEGRADED,
		    "this user namespace has too few, all sandboxes share one: "
		    "give it 4,096 or more (/etc/subuid)");
	else
		say(room->check, "uids", CHECK_DEGRADED,
		    "an ordinary user has one, for all sandboxes, their pid 1 and "
		    "you: start as root");
}

/* --- limits --- */

/* Where there are no cgroups at all, one line says why. */
static void
say_limit(struct room *room, const char *name, bool is_there, const char *ok, const char *why,
    const char *instead)
{
	if (is_there)
		say(room->check, name, CHECK_OK, "%s", ok);
	else if (room->cgroup.kind == CGROUP_NONE)
		say(room->check, name, CHECK_DEGRADED, "%s: see cgroup", instead);
	else
		say(room->check, name, CHECK_DEGRADED, "%s: %s", instead,
		    *why ? why : "see limit_mem");
}

static bool
read_only(const char *path)
{
	struct statfs stat;

	return !statfs(path, &stat) && stat.f_flags & ST_RDONLY;
}

static bool
cgroups_are_read_only(void)
{
	return read_only("/sys/fs/cgroup/memory") || read_only("/sys/fs/cgroup");
}

static void
say_cgroup(struct room *room)
{
	const struct cgroup_facts *facts = &room->cgroup;

	if (facts->kind == CGROUP_V2)
		say(room->check, "cgroup", CHECK_OK, "version 2");
	else if (facts->kind == CGROUP_V1)
		say(room->check, "cgroup", CHECK_OK, "version 1%s",
		    facts->hybrid ? ", beside an unused version 2" : "");
	else if (room->options->no_cgroup)
		say(room->check, "cgroup", CHECK_DEGRADED,
		    "turned off by --no-cgroup: leave that out");
	else if (!room->self.has_proc)
		say(room->check, "cgroup", CHECK_DEGRADED,
		    "they are found by /proc: see proc_host");
	else if (cgroups_are_read_only())
		say(room->check, "cgroup", CHECK_DEGRADED,
		    "/sys/fs/cgroup is read-only: give "
		    "the container CAP_SYS_ADMIN, or mount it writable");
	else
		say(room->check, "cgroup", CHECK_DEGRADED, "none that can be used: %s",
		    *facts->memory_why  ? facts->memory_why :
			*facts->cpu_why ? facts->cpu_why :
					  "see the kernel's log");
	if (facts->memory && facts->cpu)
		say(room->check, "accounting", CHECK_OK, "cgroup");
	else
		say(room->check, "accounting", CHECK_DEGRADED,
		    "rlimit: limits are per process, figures sampled from /proc: see %s",
		    facts->kind == CGROUP_NONE ? "cgroup" :
			facts->memory          ? "limit_time" :
						 "limit_mem");
}

static void
say_cgroup_limits(struct room *room)
{
	const struct cgroup_facts *facts = &room->cgroup;
	struct sysinfo info;

	say_limit(room, "limit_time", facts->cpu, "of the whole tree", facts->cpu_why,
	    "processes that live less than 20 ms can be missed");
	say_limit(room, "limit_mem", facts->memory, "of the whole tree", facts->memory_why,
	    "of each process by itself (RLIMIT_AS)");
	if (!sysinfo(&info) && !info.totalswap)
		say(room->check, "limit_swap", CHECK_OK, "there is no swap");
	else
		say_limit(room, "limit_swap", facts->swap, "counts as memory", facts->swap_why,
		    "swap is not limited");
	say_limit(room, "limit_procs", facts->pids, "of the whole tree", facts->pids_why,
	    "counted by uid (RLIMIT_NPROC)");
	if (facts->peak && *facts->peak_why)
		say(room->check, "mem_peak", CHECK_DEGRADED, "%s", facts->peak_why);
	else
		say_limit(room, "mem_peak", facts->peak, "the kernel's figure", facts->peak_why,
		    "the largest that was sampled");
	say_limit(room, "oom_kills", facts->oom_count, "counted by the kernel",
	    facts->memory ? "the kernel counts none by group: Linux 4.13 or later" : "",
	    "a run over its memory can be told as signaled or exited");
}

static void
say_rlimits(struct room *room)
{
	static const struct {
		char name[14], flag[26], unit[12];
		uint8_t id, limit; /* enum check_rlimit, enum limit_id */
	} rows[] = {
		{ "limit_fsize", "LimitFSIZE=, ulimit -f", "KB", CHECK_FSIZE, LIMIT_FSIZE },
		{ "limit_stack", "LimitSTACK=, ulimit -s", "KB", CHECK_STACK, LIMIT_STACK },
		{ "limit_nofile", "LimitNOFILE=, ulimit -n", "descriptors", CHECK_NOFILE,
		    LIMIT_NOFILE },
	};
	struct rlimit files = { 0, 0 };

	(void)getrlimit(RLIMIT_NOFILE, &files);
	uint64_t most =
	    room->trial.opened ? room->trial.facts.nofile_max : (uint64_t)files.rlim_max;
	for (size_t i = 0; i < LEN(rows); i++) {
		int error = room->kernel.rlimits[rows[i].id];
		bool is_files = rows[i].id == CHECK_NOFILE;
		if (error)
			say(room->check, rows[i].name, CHECK_MISSING,
			    "the default of %llu %s cannot be set: %s: raise "
			    "the hard limit (%s)",
			    (unsigned long long)limit_fields[rows[i].limit].standard, rows[i].unit,
			    reason(error), rows[i].flag);
		else if (is_files && most < NOFILE_WANTED)
			say(room->check, rows[i].name, CHECK_DEGRADED,
			    "no more than %llu, little for a server: "
			    "raise the hard limit (%s), or start with CAP_SYS_RESOURCE",
			    (unsigned long long)most, rows[i].flag);
		else if (is_files)
			say(room->check, rows[i].name, CHECK_OK, "up to %llu",
			    (unsigned long long)most);
		else
			say(room->check, rows[i].name, CHECK_OK, "%s", "");
	}
}

/* --- the machine --- */

static void
say_kernel(struct room *room)
{
	struct utsname name = { .release = "of unknown version" };
	const struct check_kernel *kernel = &room->kernel;

	(void)uname(&name);
	if (!kernel->missing_call)
		say(room->check, "kernel", CHECK_OK, "Linux %.60s, %.20s", name.release,
		    name.machine);
	else if (room->self.filtered)
		say(room->check, "kernel", CHECK_MISSING,
		    "Linux %.60s has no %s here: older than %s, or hidden by a seccomp filter: "
		    "start without: docker's --security-opt seccomp=unconfined",
		    name.release, kernel->missing_call, kernel->missing_since);
	else
		say(room->check, "kernel", CHECK_MISSING,
		    "Linux %.60s has no %s: Linux %s or later", name.release, kernel->missing_call,
		    kernel->needed_since);
}

static void
say_machine(struct room *room)
{
	struct sysinfo info;
	cpu_set_t set;
	int cores = sched_getaffinity(0, sizeof(set), &set) ? 0 : CPU_COUNT(&set);

	if (cores > 0)
		say(room->check, "cores", CHECK_OK, "%d", cores);
	else
		say(room->check, "cores", CHECK_DEGRADED,
		    "1 is assumed: allow sched_getaffinity()");
	if (sysinfo(&info)) {
		say(room->check, "memory", CHECK_DEGRADED,
		    "how much cannot be told: %s: allow sysinfo()", strerror(errno));
		return;
	}
	uint64_t kb = (uint64_t)info.totalram * info.mem_unit / 1024;
	uint64_t swap_kb = (uint64_t)info.totalswap * info.mem_unit / 1024;
	uint64_t standard = limit_fields[LIMIT_MEM].standard;
	if (kb < standard)
		say(room->check, "memory", CHECK_DEGRADED,
		    "%llu MB, less than the %llu MB of a run by default: serve with --max-mem",
		    (unsigned long long)kb / 1024, (unsigned long long)standard / 1024);
	else
		say(room->check, "memory", CHECK_OK, "%llu MB, and %llu MB of swap",
		    (unsigned long long)kb / 1024, (unsigned long long)swap_kb / 1024);
}

/* --- a whole sandbox --- */

/* What is done about a step that failed, where no other line has said it. */
static void
explain_sandbox(const struct room *room, const char *step, int error, char *text, size_t size)
{
	const struct check *check = room->check;

	if (error == -ENOENT && room->options->rootfs &&
	    !strcmp(step, "open the root file system")) {
		snprintf(text, size, "give a directory that exists to --rootfs");
		return;
	}
	for (size_t i = 0; i < check->len; i++)
		if (check->lines[i].status == CHECK_MISSING) {
			snprintf(text, size, "see %s", check->lines[i].name);
			return;
		}
	explain(room, error, NULL, NULL, text, size);
}

static void
say_failed(struct room *room, const char *name, const char *step, int error)
{
	char why[256];

	explain_sandbox(room, step, error, why, sizeof(why));
	say(room->check, name, CHECK_MISSING, "%s: %s: %s", step, strerror(-error), why);
}

static void
say_sandbox(struct room *room)
{
	const struct check_trial *trial = &room->trial;
	const struct message_result *result = &trial->sandbox;

	if (!trial->has_sandbox)
		say_failed(room, "sandbox", trial->step, trial->error);
	else if (result->verdict == VERDICT_INTERNAL)
		say_failed(room, "sandbox", result->step, -result->error);
	else if (result->verdict != VERDICT_EXITED || result->exit_code)
		say(room->check, "sandbox", CHECK_MISSING,
		    "its user cannot enter its root: %s, exit code %d, "
		    "signal %d: see the kernel's log",
		    result_status(result->verdict), result->exit_code, result->signal);
	else
		say(room->check, "sandbox", CHECK_OK, "one was made, in %llu.%03llu ms",
		    THOUSANDTHS(result->usage.wall_ns / 1000));
}

/* No userland is no fault of the host's, but then there is nothing to run. */
static void
say_command(struct room *room)
{
	const struct check_trial *trial = &room->trial;
	const struct message_result *result = &trial->command;

	if (!trial->has_sandbox || trial->sandbox.verdict != VERDICT_EXITED)
		say(room->check, "command", CHECK_MISSING, "not tried: see sandbox");
	else if (!trial->has_command)
		say_failed(room, "command", trial->step, trial->error);
	else if (result->verdict == VERDICT_EXEC_FAILED)
		say(room->check, "command", CHECK_DEGRADED,
		    "`true` cannot be started: %s: a host without programs needs --rootfs",
		    strerror(result->error));
	else if (result->verdict == VERDICT_INTERNAL)
		say_failed(room, "command", result->step, -result->error);
	else if (result->verdict != VERDICT_EXITED || result->exit_code)
		say(room->check, "command", CHECK_MISSING,
		    "`true` ended as %s, exit code %d, signal %d: see the "
		    "kernel's log",
		    result_status(result->verdict), result->exit_code, result->signal);
	else
		say(room->check, "command", CHECK_OK, "`true` took %llu.%03llu ms of CPU time",
		    THOUSANDTHS(result->usage.cpu_ns / 1000));
}

/* --- what is around us --- */

static void
add_word(char *text, size_t size, const char *word)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s%s", len ? ", " : "", word);
}

/* Mounts below /proc: a container's maker covers what tells of the host. */
static bool
proc_is_covered(void)
{
	bool covered = false;
	struct buf text;

	buf_init(&text, MOUNTS_MAX);
	int fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !buf_read(&text, fd))
		for (const char *at = strstr(text.data, PROC_PLACE); at && !covered;
		     at = strstr(at + 1, PROC_PLACE))
			covered = strncmp(at, PROC_PLACE "sys/fs/binfmt_misc", 25) != 0;
	if (fd >= 0)
		close(fd);
	buf_free(&text);
	return covered;
}

/* What the container withholds matters only where something above was not had. */
static void
say_container(struct room *room)
{
	const struct self *self = &room->self;
	char found[160] = "", cure[200] = "";

	if (!self->container) {
		say(room->check, "container", CHECK_OK, "none");
		return;
	}
	if (self->filtered) {
		add_word(found, sizeof(found), "a seccomp filter is on");
		add_word(cure, sizeof(cure), "--security-opt seccomp=unconfined");
	}
	if (self->confined) {
		add_word(found, sizeof(found), "an AppArmor profile is on");
		add_word(cure, sizeof(cure), "--security-opt apparmor=unconfined");
	}
	if (self->is_root && (!has(self, CAP_SYS_ADMIN) || !has(self, CAP_NET_ADMIN))) {
		add_word(found, sizeof(found), "capabilities are withheld");
		add_word(cure, sizeof(cure), "--cap-add SYS_ADMIN --cap-add NET_ADMIN");
	}
	if (proc_is_covered()) {
		add_word(found, sizeof(found), "parts of /proc are covered");
		if (room->kernel.mounts[CHECK_PROC].error)
			add_word(cure, sizeof(cure), "--security-opt systempaths=unconfined");
	}
	if (cgroups_are_read_only())
		add_word(found, sizeof(found), "cgroups are read-only");
	const char *place = self->pid_host ? ", in the host's pid namespace" : "";
	if (!*found || room->check->status == CHECK_OK)
		say(room->check, "container", CHECK_OK, "%s%s%s%s%s", self->container, place,
		    *found ? ": " : "", found, *found ? ", which does no harm" : "");
	else
		say(room->check, "container", CHECK_DEGRADED,
		    "%s%s: %s, which may be behind the lines that are not "
		    "ok%s%s",
		    self->container, place, found, *cure ? ": docker changes it by " : "", cure);
}

static void
say_apparmor(struct room *room)
{
	const struct self *self = &room->self;

	if (self->confined && room->check->status == CHECK_MISSING)
		say(room->check, "apparmor", CHECK_DEGRADED,
		    "confined by %s, perhaps behind what is missing: "
		    "start unconfined",
		    self->label);
	else
		say(room->check, "apparmor", CHECK_OK, "%s", *self->label ? self->label : "none");
}

/* --- all of it --- */

void
check_facts(struct check *check, const struct options *options)
{
	struct room room = { .check = check, .options = options };

	memset(check, 0, sizeof(*check));
	(void)signal(SIGCHLD, SIG_DFL); /* ignored, no child could be waited for */
	find_self(&room.self);
	check_kernel(&room.kernel);
	check_trial(&room.trial, options);
	if (room.trial.opened)
		room.cgroup = room.trial.facts.cgroup;
	else
		check_cgroup(&room.cgroup, options->no_cgroup);
	say_kernel(&room);
	say_namespaces(&room);
	say_mounts(&room);
	say_filters(&room);
	say_capabilities(&room);
	say_uids(&room);
	say_cgroup(&room);
	say_cgroup_limits(&room);
	say_disk(&room);
	say_rlimits(&room);
	say_machine(&room);
	say_sandbox(&room);
	say_command(&room);
	say_apparmor(&room);
	say_container(&room);
}

void
check_write_json(struct buf *out, const struct check *check)
{
	buf_puts(out, "{\"status\":\"");
	buf_puts(out, check_status_name(check->status));
	buf_puts(out, "\",\"checks\":[");
	for (size_t i = 0; i < check->len; i++) {
		const struct check_line *line = &check->lines[i];
		buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
		json_write_string(out, str_of(line->name));
		buf_puts(out, ",\"status\":");
		json_write_string(out, str_of(check_status_name(line->status)));
		buf_puts(out, ",\"detail\":");
		json_write_string(out, str_of(line->detail));
		buf_putc(out, '}');
	}
	buf_puts(out, "]}");
}

static void
write_lines(struct buf *out, const struct check *check)
{
	for (size_t i = 0; i < check->len; i++) {
		const struct check_line *line = &check->lines[i];
		buf_printf(out, "%-16s  %s%s%s\n", line->name, check_status_name(line->status),
		    *line->detail ? ": " : "", line->detail);
	}
}

int
check_run(const struct options *options)
{
	struct check check;
	struct buf text;

	check_facts(&check, options);
	buf_init(&text, CHECK_JSON_MAX);
	if (options->json) {
		check_write_json(&text, &check);
		buf_putc(&text, '\n');
	} else {
		write_lines(&text, &check);
	}
	bool failed =
	    text.failed || fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout);
	buf_free(&text);
	if (failed) {
		fprintf(
		    stderr, "opensandbox: cannot write: %s\n", strerror(errno ? errno : ENOMEM));
		return CHECK_MISSING;
	}
	return (int)check.status;
}
