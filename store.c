/* store.c - keeps sessions in a mount namespace of their own, so that they outlive us and burden nobody
 *
 * On the host there is STATE/.opensandbox (0700): `lock`, held by the running launcher, and `sessions`, a file on which the
 * namespace is pinned (a bind mount of its nsfs file; the directory is a private mount of its own, as nsfs files can only be
 * mounted where nothing propagates). In the namespace, whose root is a small tmpfs:
 *
 *	/s/sandbox-ID		the session's tree, a tmpfs; STATE is a link to /s
 *	records/ID		struct about, then the front's record, which is copied by the kernel and not read
 *	block			the number of the block of uids
 *
 * A record is replaced by rename, so that it is always the old or the new one. All of this is memory: it lives as long as
 * the trees do, and no session's variables ever reach a disk. Where the pin is refused (no mounts in the host's
 * namespace) a keeper process holds the namespace instead. */
#include "store.h"

#include "buf.h"
#include "log.h"
#include "root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ABOUT_MAGIC = 0x4f534232, BUCKETS = 4096, REMOVERS_MAX = 4, BLOCK_TRIES = 50 };

struct about {
	uint32_t magic, network, uid_index, reserved;
	uint64_t disk_kb;
};

struct entry {
	struct store_session session;
	uint64_t hash;
	size_t place;			/* in the table */
	pid_t remover;			/* unmounts it; the entry goes when it is done */
	bool forgotten;
	struct entry *chain;		/* same bucket */
	struct entry *next_waiting;	/* to be removed when a remover is free */
};

struct store {
	char dir[PATH_MAX];		/* STATE, absolute */
	int home;			/* STATE/.opensandbox */
	int lock;
	int host, own;			/* mount namespaces: the host's, and the one to return to */
	int root;			/* in the host's, perhaps of a chroot */
	int sessions;			/* theirs */
	int base;			/* its root directory */
	pid_t keeper;			/* 0: pinned */
	size_t max, len, size, living;	/* living: not forgotten */
	struct entry **entries;
	struct entry *buckets[BUCKETS];
	struct entry *removing[REMOVERS_MAX];
	struct entry *waiting;
	uint32_t next_uid;
	uint8_t *uids_used;
	unsigned uids_len;
	const struct uid_block *uids;
	bool kept;
};

static uint64_t
hash_of(const char *id)
{
	uint64_t hash = 0xcbf29ce484222325u;		/* FNV-1a */

	for (; *id; id++)
		hash = (hash ^ (uint8_t)*id) * 0x100000001b3u;
	return hash;
}

bool
store_id_valid(const char id[MESSAGE_ID_MAX])
{
	size_t len = strnlen(id, MESSAGE_ID_MAX);

	if (len == 0 || len >= MESSAGE_ID_MAX || id[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(id[i] >= 'a' && id[i] <= 'z') && !(id[i] >= '0' && id[i] <= '9') && id[i] != '-')
			return false;
	return true;
}

/* --- the namespace ------------------------------------------------------------------------------ */

/* In the child: a root of its own, with nothing in it. */
static int
make_namespace(const char *dir)
{
	char path[PATH_MAX];
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = proc < 0 ? -errno : root_leave_chroot(proc);

	if (error)
		return error;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("opensandbox", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=256m") ||
	    chdir("/proc") || mkdir("records", 0700))
		return -errno;
	snprintf(path, sizeof(path), "%s", dir + 1);
	for (char *slash = path; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			return -errno;
	}
	/* The trees are in /s; the state directory's own name is a link to it. */
	if (mkdir("s", 0700) || (*path && symlink("/s", path)))
		return -errno;
	if (!syscall(SYS_pivot_root, ".", "."))
		return umount2(".", MNT_DETACH) || chdir("/") ? -errno : 0;
	return errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/") ?
	    -errno : 0;
}

/* All but one: a child must not hold on to what ends with the launcher. */
static void
close_all_but(int fd)
{
	if (fd > 0)
		(void)syscall(SYS_close_range, 0, fd - 1, 0);
	(void)syscall(SYS_close_range, fd + 1, ~0u, 0);
}

/* A process that holds the namespace, until `control` is closed: or for ever, once it has been told so. */
struct keeper {
	pid_t pid;			/* 0: none */
	int control;
};

static _Noreturn void
keep_namespace(const char *dir, int control)
{
	int error = make_namespace(dir);
	char word;

	(void)setsid();
	(void)prctl(PR_SET_NAME, "opensandbox-keep", 0, 0, 0);
	close_all_but(control);
	(void)!write(control, &error, sizeof(error));
	if (read(control, &word, 1) != 1)
		_exit(0);
	close(control);
	for (;;)
		pause();
}

static void
end_keeper(struct keeper *keeper)
{
	if (keeper->pid) {
		kill(keeper->pid, SIGKILL);
		while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
			;
		close(keeper->control);
	}
	keeper->pid = 0;
}

static int
spawn_keeper(const char *dir, struct keeper *keeper)
{
	int ends[2], error = -EIO;

	keeper->pid = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	long pid = syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		keep_namespace(dir, ends[1]);
	int failed = pid < 0 ? -errno : 0;
	close(ends[1]);
	if (failed) {
		close(ends[0]);
		return failed;
	}
	*keeper = (struct keeper){ (pid_t)pid, ends[0] };
	if (read(ends[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
		error = -EIO;
	if (error)
		end_keeper(keeper);
	return error;
}

static int
open_ns_of(pid_t pid)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int
pin_path(const struct store *store, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/.opensandbox/sessions", store->dir);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Binds the keeper's namespace to a file. */
static int
pin_namespace(struct store *store, pid_t keeper)
{
	char home[PATH_MAX], pin[PATH_MAX], ns[48];

	if (pin_path(store, pin, sizeof(pin)))
		return -ENAMETOOLONG;
	snprintf(home, sizeof(home), "%s", pin);
	*strrchr(home, '/') = '\0';
	int fd = openat(store->home, "sessions", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	if (mount(home, home, NULL, MS_BIND, NULL))
		return -errno;
	snprintf(ns, sizeof(ns), "/proc/%d/ns/mnt", (int)keeper);
	if (mount(NULL, home, NULL, MS_PRIVATE, NULL) || mount(ns, pin, NULL, MS_BIND, NULL)) {
		int error = -errno;
		(void)umount2(home, MNT_DETACH);
		return error;
	}
	return 0;
}

static int
open_pinned(struct store *store)
{
	char pin[PATH_MAX];

	/* By path: the directory's descriptor shows what lies below the mount on it. */
	if (pin_path(store, pin, sizeof(pin)))
		return -ENAMETOOLONG;
	int fd = open(pin, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNS)
		return fd;
	close(fd);
	return -ENOENT;
}

/* Where there is no pin: the keeper that an earlier launcher left, named in a file. */
static int
open_kept(struct store *store)
{
	char text[32] = "", name[32] = "";
	struct stat stat;
	uint64_t number;

	int fd = openat(store->home, "keeper", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 1 || str_to_u64((struct str){ text, (size_t)n - 1 }, INT32_MAX, &number))
		return -ENOENT;
	int pid = (int)number;
	snprintf(name, sizeof(name), "/proc/%d/comm", pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ENOENT;
	memset(text, 0, sizeof(text));
	n = read(fd, text, sizeof(text) - 1);
	bool ours = !fstat(fd, &stat) && stat.st_uid == geteuid();
	close(fd);
	/* Its number may have become another's, who may call himself so. */
	if (!ours || n <= 0 || strcmp(text, "opensandbox-kee\n"))
		return -ENOENT;
	store->keeper = pid;
	return open_ns_of(pid);
}

static int
note_keeper(struct store *store, pid_t keeper)
{
	char text[32];

	int fd = openat(store->home, "keeper", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int n = snprintf(text, sizeof(text), "%d\n", (int)keeper);
	int error = write(fd, text, (size_t)n) == n ? 0 : -EIO;
	close(fd);
	return error;
}

/* A namespace can be pinned only in one whose number is lower. Linux 6.18 deals numbers out to each CPU in lots, so that a new
 * namespace has a higher one only if it is made on the right CPU: each is tried. */
static int
pin_on_any_cpu(struct store *store, struct keeper *keeper)
{
	cpu_set_t before, one;
	int error = -EINVAL;

	if (sched_getaffinity(0, sizeof(before), &before))
		return -errno;
	for (size_t cpu = 0; cpu < CPU_SETSIZE && error == -EINVAL; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			continue;
		end_keeper(keeper);
		error = spawn_keeper(store->dir, keeper);
		if (!error)
			error = pin_namespace(store, keeper->pid);
	}
	(void)sched_setaffinity(0, sizeof(before), &before);
	return error;
}

/* Where it cannot be pinned, the keeper stays. */
static int
stay_kept(struct store *store, const struct keeper *keeper)
{
	int error = note_keeper(store, keeper->pid);
	if (!error && send(keeper->control, "k", 1, MSG_NOSIGNAL) != 1)
		error = -EIO;
	if (!error) {
		store->keeper = keeper->pid;
		close(keeper->control);
	}
	return error;
}

static int
new_namespace(struct store *store)
{
	struct keeper keeper;

	int error = spawn_keeper(store->dir, &keeper);
	if (error)
		return error;
	error = store->kept ? -EPERM : pin_namespace(store, keeper.pid);
	if (error == -EINVAL)
		error = pin_on_any_cpu(store, &keeper);
	if (!keeper.pid)
		return error;
	int fd = open_ns_of(keeper.pid);
	if (fd >= 0 && error && !(error = stay_kept(store, &keeper)))
		return fd;
	end_keeper(&keeper);
	if (fd >= 0 && error)
		close(fd);
	return error && fd >= 0 ? error : fd;
}

/* Goes into the namespace of sessions and comes back. The working directory and root are the namespace's own each time. */
static int
go(int ns)
{
	return setns(ns, CLONE_NEWNS) ? -errno : 0;
}

static int
open_host(struct store *store)
{
	store->host = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	store->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return store->host < 0 || store->root < 0 ? -errno : 0;
}

static int
go_home(const struct store *store)
{
	int error = go(store->host);
	return error ? error : fchdir(store->root) || chroot(".") ? -errno : 0;
}

static int
open_base(struct store *store)
{
	int error = go(store->sessions);
	if (error)
		return error;
	store->base = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = store->base < 0 ? -errno : 0;
	int back = go_home(store);
	return error ? error : back;
}

/* --- the table ---------------------------------------------------------------------------------- */

static struct entry *
add_entry(struct store *store, const char *id)
{
	if (store->len == store->size) {
		size_t size = store->size ? 2 * store->size : 64;
		struct entry **grown = reallocarray(store->entries, size, sizeof(*grown));
		if (!grown)
			return NULL;
		store->entries = grown;
		store->size = size;
	}
	struct entry *entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	snprintf(entry->session.id, sizeof(entry->session.id), "%s", id);
	entry->session.netns = -1;
	entry->hash = hash_of(id);
	entry->place = store->len;
	entry->chain = store->buckets[entry->hash % BUCKETS];
	store->buckets[entry->hash % BUCKETS] = entry;
	store->entries[store->len++] = entry;
	store->living++;
	return entry;
}

static void
drop_entry(struct store *store, struct entry *entry)
{
	struct entry **link = &store->buckets[entry->hash % BUCKETS];

	while (*link != entry)
		link = &(*link)->chain;
	*link = entry->chain;
	store->uids_used[entry->session.uid_index] = 0;
	store->living -= !entry->forgotten;
	struct entry *last = store->entries[--store->len];
	store->entries[entry->place] = last;
	last->place = entry->place;
	free(entry);
}

static struct entry *
entry_of(struct store_session *session)
{
	return (struct entry *)(void *)session;	/* its first member */
}

struct store_session *
store_find(struct store *store, const char *id)
{
	uint64_t hash = hash_of(id);

	for (struct entry *entry = store->buckets[hash % BUCKETS]; entry; entry = entry->chain)
		if (entry->hash == hash && !entry->forgotten && !strcmp(entry->session.id, id))
			return &entry->session;
	return NULL;
}

struct store_session *
store_at(struct store *store, size_t index)
{
	return index < store->len ? &store->entries[index]->session : NULL;
}

size_t
store_count(const struct store *store)
{
	return store->len;
}

int
store_namespace(const struct store *store)
{
	return store->sessions;
}

uid_t
store_uid(const struct store *store, const struct store_session *session)
{
	return store->uids->session + (store->uids->one ? 0 : session->uid_index);
}

static bool
take_uid(struct store *store, uint32_t *index)
{
	for (unsigned i = 0; i < store->uids_len; i++) {
		uint32_t at = (store->next_uid + i) % store->uids_len;
		if (!store->uids_used[at]) {
			store->uids_used[at] = 1;
			store->next_uid = at + 1;
			*index = at;
			return true;
		}
	}
	return false;
}

/* --- records ------------------------------------------------------------------------------------ */

static void
set_path(struct store_session *session)
{
	snprintf(session->path, sizeof(session->path), "/s/sandbox-%s", session->id);
}

static int
write_record(struct store *store, const struct store_session *session, int record)
{
	struct about about = {
		.magic = ABOUT_MAGIC, .network = session->network, .uid_index = session->uid_index,
		.disk_kb = session->disk_kb,
	};
	char name[MESSAGE_ID_MAX + 16], fresh[MESSAGE_ID_MAX + 20];
	struct stat stat;
	off_t at = 0;
	int error = 0;

	snprintf(name, sizeof(name), "records/%s", session->id);
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	if (fstat(record, &stat))
		return -errno;
	int fd = openat(store->base, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, &about, sizeof(about)) != (ssize_t)sizeof(about))
		error = -ENOSPC;
	while (!error && at < stat.st_size) {
		ssize_t n = sendfile(fd, record, &at, (size_t)(stat.st_size - at));
		if (n < 0 && errno != EINTR)
			error = -errno;
		else if (n == 0)
			error = -EIO;
	}
	close(fd);
	if (!error && renameat(store->base, fresh, store->base, name))
		error = -errno;
	if (error)
		(void)unlinkat(store->base, fresh, 0);
	return error;
}

int
store_record(struct store *store, const struct store_session *session)
{
	char name[MESSAGE_ID_MAX + 16];

	snprintf(name, sizeof(name), "records/%s", session->id);
	int fd = openat(store->base, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (lseek(fd, sizeof(struct about), SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

int
store_save(struct store *store, struct store_session *session, int record)
{
	return write_record(store, session, record);
}

/* --- making and removing ------------------------------------------------------------------------ */

static int
attach_tree(struct store *store, const struct store_session *session, int tree)
{
	int error = go(store->sessions);
	if (error)
		return error;
	if (mkdir(session->path, 0700) && errno != EEXIST)
		error = -errno;
	else if (syscall(SYS_move_mount, tree, "", AT_FDCWD, session->path, 4))	/* MOVE_MOUNT_F_EMPTY_PATH */
		error = -errno;
	if (error)
		(void)rmdir(session->path);
	int back = go(store->own);
	return error ? error : back;
}

int
store_create(struct store *store, const struct message_session *what, int record)
{
	struct root_fault fault;
	uint32_t uid_index;

	if (store_find(store, what->id))
		return -EEXIST;
	if (store->living >= store->max || !take_uid(store, &uid_index))
		return -EMFILE;
	struct entry *entry = add_entry(store, what->id);
	if (!entry) {
		store->uids_used[uid_index] = 0;
		return -ENOMEM;
	}
	struct store_session *session = &entry->session;
	session->uid_index = uid_index;
	session->disk_kb = what->disk_kb;
	session->network = what->network;
	set_path(session);
	uid_t uid = store_uid(store, session);
	int tree = root_tree(what->disk_kb, uid, uid, &fault);
	int error = tree < 0 ? tree : attach_tree(store, session, tree);
	if (tree >= 0)
		close(tree);
	if (error) {
		drop_entry(store, entry);
		return error;
	}
	error = write_record(store, session, record);
	if (error)
		(void)store_remove(store, session);
	return error;
}

int
store_forget(struct store *store, struct store_session *session)
{
	char name[MESSAGE_ID_MAX + 16];

	store->living -= !entry_of(session)->forgotten;
	entry_of(session)->forgotten = true;
	snprintf(name, sizeof(name), "records/%s", session->id);
	return unlinkat(store->base, name, 0) && errno != ENOENT ? -errno : 0;
}

/* The last mount of a tmpfs frees all its files at once, which takes about a second for 10^6 of them: not in the launcher. */
static bool
start_remover(struct store *store, struct entry *entry)
{
	size_t place = 0;

	while (place < REMOVERS_MAX && store->removing[place])
		place++;
	long pid = place < REMOVERS_MAX ? syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : -1;
	if (pid == 0) {
		close_all_but(store->sessions);
		if (!go(store->sessions)) {
			(void)umount2(entry->session.path, MNT_DETACH);
			(void)rmdir(entry->session.path);
		}
		_exit(0);
	}
	if (pid < 0)
		return false;
	entry->remover = (pid_t)pid;
	store->removing[place] = entry;
	return true;
}

int
store_remove(struct store *store, struct store_session *session)
{
	int error = store_forget(store, session);

	session->closing = true;
	if (!start_remover(store, entry_of(session))) {
		entry_of(session)->next_waiting = store->waiting;
		store->waiting = entry_of(session);
	}
	return error;
}

bool
store_reap(struct store *store)
{
	bool busy = false;

	for (size_t i = 0; i < REMOVERS_MAX; i++) {
		struct entry *entry = store->removing[i];
		if (entry && waitpid(entry->remover, NULL, WNOHANG) == entry->remover) {
			store->removing[i] = NULL;
			drop_entry(store, entry);
		}
	}
	for (struct entry *entry; (entry = store->waiting); store->waiting = entry->next_waiting)
		if (!start_remover(store, entry))
			break;
	for (size_t i = 0; i < REMOVERS_MAX; i++)
		busy |= store->removing[i] != NULL;
	return busy || store->waiting;
}

uint64_t
store_used_kb(struct store *store, const struct store_session *session)
{
	struct statfs stat;
	uint64_t used = 0;

	int fd = openat(store->base, session->path + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (!fstatfs(fd, &stat))
		used = (uint64_t)(stat.f_blocks - stat.f_bfree) * (uint64_t)stat.f_bsize / 1024;
	close(fd);
	return used;
}

/* --- opening ------------------------------------------------------------------------------------ */

/* Where a directory really is, as the kernel says it. */
static int
real_path(const char *dir, char *path, size_t size)
{
	char name[32];

	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(name, path, size);
	int error = n < 0 ? -errno : (size_t)n == size ? -ENAMETOOLONG : 0;
	close(fd);
	if (!error)
		path[n] = '\0';
	return error;
}

/* The directory must be ours alone: in /tmp anybody could have made it. */
static int
open_home(struct store *store, const char *dir)
{
	char path[PATH_MAX];
	struct stat stat;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	int error = real_path(dir, store->dir, sizeof(store->dir) - 32);
	if (error)
		return error;
	int n = snprintf(path, sizeof(path), "%s/.opensandbox", store->dir);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	store->home = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (store->home < 0 || fstat(store->home, &stat))
		return -errno;
	if (stat.st_uid != geteuid() || (stat.st_mode & 077))
		return -EPERM;
	store->lock = openat(store->home, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (store->lock < 0)
		return -errno;
	/* A lock of the process's own (fcntl(2)): what is forked from here does not hold it on. */
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	return fcntl(store->lock, F_SETLK, &whole) ? -EAGAIN : 0;
}

static int
open_block(struct store *store, struct uid_block *uids)
{
	struct stat stat;
	uint32_t number;
	int error;

	if (fstat(store->home, &stat))
		return -errno;
	uint64_t key = ((uint64_t)stat.st_dev << 32 ^ (uint64_t)stat.st_ino) | 1;
	int fd = openat(store->base, "block", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (read(fd, &number, sizeof(number)) == (ssize_t)sizeof(number)) {
		/* Sandboxes of a launcher that was killed just now may still be ending. */
		for (int i = 0; (error = uid_block_open(uids, key, &number)) == -EADDRINUSE && i < BLOCK_TRIES; i++)
			(void)poll(NULL, 0, 100);
	} else if (!(error = uid_block_open(uids, key, NULL))) {
		number = uids->number;
		if (write(fd, &number, sizeof(number)) != (ssize_t)sizeof(number))
			error = -EIO;
	}
	close(fd);
	if (error)
		return error;
	store->uids = uids;
	store->uids_len = uids->sessions;
	store->uids_used = calloc(store->uids_len, 1);
	return store->uids_used ? 0 : -ENOMEM;
}

/* An upload that was killed between its two last steps has left a name of ours in the root (files.c). Nothing is followed here, and
 * however many names there are, not many are looked at. */
static void
remove_remains(const struct store *store, const char *path)
{
	enum { MOST = 4096 };
	struct dirent *entry;

	int fd = openat(store->base, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	for (int i = 0; list && i < MOST && (entry = readdir(list)); i++)
		if (!strncmp(entry->d_name, ".opensandbox-upload-", 20))
			(void)unlinkat(dirfd(list), entry->d_name, 0);
	if (list)
		closedir(list);
}

/* A record that is whole, whose tree is there: or the remains of one, which go. */
static bool
find_session(struct store *store, const char *name)
{
	char path[MESSAGE_ID_MAX + 300];
	struct about about;
	struct stat tree, base;

	snprintf(path, sizeof(path), "records/%s", name);
	int fd = strlen(name) < MESSAGE_ID_MAX && store_id_valid(name) ?
	    openat(store->base, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (fd < 0)
		return false;
	ssize_t n = read(fd, &about, sizeof(about));
	close(fd);
	if (n != (ssize_t)sizeof(about) || about.magic != ABOUT_MAGIC ||
	    about.uid_index >= store->uids_len || store->uids_used[about.uid_index])
		return false;
	snprintf(path, sizeof(path), "s/sandbox-%s", name);
	if (fstatat(store->base, path, &tree, AT_SYMLINK_NOFOLLOW) || fstat(store->base, &base) ||
	    tree.st_dev == base.st_dev)
		return false;
	remove_remains(store, path);
	struct entry *entry = add_entry(store, name);
	if (!entry)
		return false;
	entry->session.disk_kb = about.disk_kb;
	entry->session.network = about.network;
	entry->session.uid_index = about.uid_index;
	store->uids_used[about.uid_index] = 1;
	set_path(&entry->session);
	return true;
}

static void
find_sessions(struct store *store)
{
	char path[320];
	struct dirent *entry;

	int fd = openat(store->base, "records", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	while (list && (entry = readdir(list))) {
		if (entry->d_name[0] == '.' || find_session(store, entry->d_name))
			continue;
		/* A name with ".new" is what a write that was cut off has left. */
		if (!strchr(entry->d_name, '.'))
			log_say(LOG_TEXT, "session %s: its record or its files are not whole, it is removed", entry->d_name);
		(void)unlinkat(dirfd(list), entry->d_name, 0);
	}
	if (list)
		closedir(list);
	/* Trees without a record were being made or removed. */
	fd = openat(store->base, "s", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list || go(store->sessions))
		goto out;
	while ((entry = readdir(list)))
		if (!strncmp(entry->d_name, "sandbox-", 8) && !store_find(store, entry->d_name + 8)) {
			snprintf(path, sizeof(path), "/s/%s", entry->d_name);
			(void)umount2(path, MNT_DETACH);
			(void)rmdir(path);
		}
	(void)go_home(store);
out:
	if (list)
		closedir(list);
}

int
store_open(struct store **out, const struct store_config *config, struct uid_block *uids,
    struct root_fault *fault)
{
	int error;

	fault->step = "allocate memory";
	struct store *store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->home = store->lock = store->host = store->root = store->own = store->sessions = store->base = -1;
	store->max = config->sessions_max;
	store->kept = config->kept;
	fault->step = "lock the state directory";
	if ((error = open_home(store, config->dir)))
		goto err;
	fault->step = "open the namespace of sessions";
	if ((error = open_host(store)))
		goto err;
	store->sessions = open_pinned(store);
	if (store->sessions < 0)
		store->sessions = open_kept(store);
	if (store->sessions < 0)
		store->sessions = new_namespace(store);
	if (store->sessions < 0) {
		error = store->sessions;
		goto err;
	}
	if ((error = open_base(store)))
		goto err;
	fault->step = "take a block of uids";
	if ((error = open_block(store, uids)))
		goto err;
	find_sessions(store);
	*out = store;
	return 0;
err:
	store_close(store, true);
	return error;
}

int
store_settle(struct store *store)
{
	store->own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return store->own < 0 ? -errno : 0;
}

/* The pin, the lock and the directories go; the namespace with all trees goes with its last descriptor. */
static void
remove_home(struct store *store)
{
	char path[PATH_MAX];

	if (store->keeper)		/* perhaps not our child */
		kill(store->keeper, SIGKILL);
	if (store->root < 0 || go_home(store))
		return;
	if (!store->keeper && !pin_path(store, path, sizeof(path))) {
		(void)umount2(path, MNT_DETACH);
		*strrchr(path, '/') = '\0';
		(void)umount2(path, MNT_DETACH);
	}
	(void)unlinkat(store->home, "sessions", 0);
	(void)unlinkat(store->home, "keeper", 0);
	(void)unlinkat(store->home, "lock", 0);
	if (!pin_path(store, path, sizeof(path))) {
		*strrchr(path, '/') = '\0';
		(void)rmdir(path);
	}
}

void
store_close(struct store *store, bool keep)
{
	if (!store)
		return;
	for (size_t i = 0; i < REMOVERS_MAX; i++)
		if (store->removing[i])
			(void)waitpid(store->removing[i]->remover, NULL, 0);
	if (!keep)
		remove_home(store);
	const int fds[] = { store->base, store->sessions, store->own, store->host, store->root, store->lock, store->home };
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	while (store->len)
		free(store->entries[--store->len]);
	free(store->entries);
	free(store->uids_used);
	free(store);
}

/* The namespace that there is, looked at from outside, and its keeper's number. */
static int
find_namespace(struct store *store, const char *dir)
{
	char path[PATH_MAX];

	int error = real_path(dir, store->dir, sizeof(store->dir) - 32);
	if (error)
		return error;
	if (pin_path(store, path, sizeof(path)))
		return -ENAMETOOLONG;
	*strrchr(path, '/') = '\0';
	store->home = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (store->home < 0)
		return -errno;
	store->sessions = open_pinned(store);
	if (store->sessions < 0)
		store->sessions = open_kept(store);
	close(store->home);
	return store->sessions < 0 ? store->sessions : 0;
}

static int
open_userns_of(pid_t pid)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
store_userns(const char *dir)
{
	struct store store = { .keeper = 0 };

	int error = find_namespace(&store, dir);
	if (error)
		return error;
	close(store.sessions);
	return store.keeper ? open_userns_of(store.keeper) : -ENOENT;
}

int
store_visit(const char *dir)
{
	struct store store = { .keeper = 0 };
	int userns;

	int error = find_namespace(&store, dir);
	if (error)
		return error;
	if (geteuid() != 0 && store.keeper) {
		userns = open_userns_of(store.keeper);
		if (userns < 0 || setns(userns, CLONE_NEWUSER) || unshare(CLONE_NEWNS))
			return userns < 0 ? userns : -errno;
	}
	if ((error = open_host(&store)) || (error = go(store.sessions)))
		return error;
	int trees = open("/s", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (trees < 0)
		error = -errno;
	int back = go_home(&store);
	if (!error && !back && fchdir(trees))
		error = -errno;
	return error ? error : back;
}
