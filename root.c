/* root.c - puts a sandbox's file system together, by descriptors and the mount calls of Linux 5.2
 *
 * The launcher's own root becomes a small tmpfs, "the parts":
 *
 *	usr bin lib …	read-only binds of the system directories that are no links
 *	etc		the few files of /etc that programs need, and nothing else of the host's
 *	dev		the harmless devices
 *	bind/N		what --bind asks for
 *	mask		an unreadable file and directory, laid over parts of /proc
 *	new		where a sandbox's tree is put before pivot_root
 *
 * A sandbox is a tmpfs (its tree) with clones of these mounts on it. Mount flags are set once, on the parts: a
 * clone has them too. Nothing here is told by a client. */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "buf.h"

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

enum {
	PARTS_MAX = 32,
	LINK_MAX = 128,
	COPY_MAX = 8 << 20,		/* a file of /etc that is larger is not copied */
	INODE_SHARE_KB = 4,		/* one inode for this many KB of disk … */
	INODES_LEAST = 1024,		/* … within these bounds: an inode costs the kernel about 1 KB */
	INODES_MOST = 1 << 20,
	PTYS_MAX = 64,
};

/* A top-level entry of the sandbox: a mount to be cloned, or a symbolic link to be made. */
struct part {
	char name[64];
	char link[LINK_MAX];		/* empty: a mount */
	bool is_file;
};

struct root {
	uid_t uid;			/* that /etc/passwd of the parts has */
	int parts;			/* the parts' root directory */
	int proc;			/* the host's /proc */
	size_t system_len, binds_len;
	struct part system[PARTS_MAX];
	struct part binds[ROOT_BINDS_MAX];	/* name: the number under bind/; link: the target */
};

/* Host directories that a sandbox shows when no --rootfs is given. */
static const char *const system_names[] = {
	"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix",
};

/* Of a --rootfs everything is shown but what a sandbox has of its own. */
static const char *const own_names[] = {
	"proc", "sys", "dev", "etc", "tmp", "home", "root", "run", "mnt", "media", "boot", "lost+found",
};

/* What is taken over from /etc: files and links are copied, directories are bound read-only. A '*'
 * has any text there. ld.so.*: where libraries are; ssl, pki, crypto-policies: what TLS needs; java*:
 * a JVM's configuration, which its /usr directory only links to. */
static const char *const etc_names[] = {
	"ld.so.cache", "ld.so.conf", "ld-musl-*.path", "alternatives", "localtime", "timezone",
	"services", "protocols", "mime.types", "java*", "pki", "crypto-policies", "ssl",
	"os-release", "alpine-release", "debian_version", "resolv.conf",
};

static const struct device {
	const char *name;
	unsigned major, minor;
} devices[] = {
	{ "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 },
	{ "tty", 5, 0 },
};

static const struct symlink_spec {
	const char *name, *target;
} device_links[] = {
	{ "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" }, { "shm", "/run/shm" },
};

/* Parts of /proc that tell of the host or act on it. But for the keys and the pressure, where anyone may set up triggers, all
 * are closed to an ordinary user anyway: the masks stand behind that. */
static const char *const proc_masked[] = {
	"acpi", "kcore", "key-users", "keys", "kmsg", "pressure", "sched_debug", "sysrq-trigger", "timer_list",
};
static const char *const proc_read_only[] = { "sys" };

/* Directories of a new tree that belong to its user. */
static const struct tree_directory {
	const char *path;
	mode_t mode;
} tree_directories[] = {
	{ "tmp", 01777 }, { "home", 0755 }, { "home/user", 0755 }, { "run", 0755 }, { "run/shm", 01777 },
	{ "var", 0755 }, { "var/tmp", 01777 },
};

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* --- the kernel's calls, raw: not every libc has them ------------------------------------------ */

static int
sys_open_tree(int at, const char *path, unsigned flags)
{
	long fd = syscall(SYS_open_tree, at, path, flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

static int
sys_move_mount(int from, int to, const char *path)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0 : MOVE_MOUNT_T_EMPTY_PATH);
	return syscall(SYS_move_mount, from, "", to, path, flags) ? -errno : 0;
}

static int
sys_mount_setattr(int at, unsigned flags, uint64_t set)
{
	struct {
		uint64_t set, clear, propagation, userns;
	} attr = { .set = set };
	return syscall(SYS_mount_setattr, at, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr)) ? -errno : 0;
}

/* Linux before 5.12 has no mount_setattr: there a mount is changed where it lies, by the older call, and that one alone;
 * what is mounted below it is then not taken along. Set bits only: a user namespace may take none away. */
static bool
trees_change(void)
{
	return sys_mount_setattr(-1, 0, 0) != -ENOSYS;
}

static int
remount(int tree, int at, const char *path, uint64_t set)
{
	struct statfs now;

	int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (back < 0)
		return -errno;
	/* A file is named below its directory, a directory is entered: neither needs a /proc. */
	bool is_file = fchdir(tree) != 0;
	int error = is_file && fchdir(at) ? -errno : 0;
	unsigned long kept = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (!error && (fstatfs(tree, &now) || mount(NULL, is_file ? path : ".", NULL,
	    MS_REMOUNT | MS_BIND | ((unsigned long)now.f_flags & kept) | (unsigned long)set, NULL)))
		error = -errno;
	if (fchdir(back) && !error)
		error = -errno;
	close(back);
	return error;
}

/* Gives a detached tree further attributes and puts it on a place. */
static int
attach(int tree, unsigned flags, uint64_t set, int at, const char *path)
{
	bool late = set && !trees_change();
	int error = set && !late ? sys_mount_setattr(tree, flags, set) : 0;

	if (!error)
		error = sys_move_mount(tree, at, path);
	return !error && late ? remount(tree, at, path, set) : error;
}

static int
configure(int context, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0) ? -errno : 0;
}

struct option {
	const char *key, *value;
};

/* A new, detached mount of a file system: its descriptor, or -errno. */
static int
new_mount(const char *type, const struct option *options, size_t len, unsigned attributes)
{
	int error = 0;
	long context = syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	if (context < 0)
		return -errno;
	for (size_t i = 0; i < len && !error; i++)
		error = configure((int)context, options[i].key, options[i].value);
	if (!error && syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		error = -errno;
	long mount = error ? -1 : syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	if (!error && mount < 0)
		error = -errno;
	close((int)context);
	return error ? error : (int)mount;
}

/* --- the launcher's parts ----------------------------------------------------------------------- */

/* A pattern has one '*' at most. */
static bool
name_matches(const char *pattern, const char *name)
{
	size_t head = strcspn(pattern, "*"), len = strlen(name);
	const char *tail = pattern + head + (pattern[head] == '*');
	size_t tail_len = strlen(tail);

	if (!pattern[head])
		return !strcmp(pattern, name);
	return len >= head + tail_len && !strncmp(pattern, name, head) && !strcmp(name + len - tail_len, tail);
}

static bool
name_in(const char *name, const char *const *list, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (name_matches(list[i], name))
			return true;
	}
	return false;
}

/* Clones the tree at a path and puts it on a directory (or file) of the parts, read-only unless said otherwise. */
static int
bind_part(int from_at, const char *from, int to_at, const char *to, uint64_t attributes)
{
	int tree = sys_open_tree(from_at, from, trees_change() ? AT_RECURSIVE : 0);
	if (tree < 0)
		return tree;
	int error = attach(tree, AT_RECURSIVE, attributes, to_at, to);
	close(tree);
	return error;
}

static int
copy_file(int from_at, const char *from, int to_at, const char *to)
{
	struct stat stat;
	int error = 0;

	int in = openat(from_at, from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (in < 0)
		return -errno;
	if (fstat(in, &stat) || !S_ISREG(stat.st_mode) || stat.st_size > COPY_MAX) {
		close(in);
		return -EINVAL;
	}
	int out = openat(to_at, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (out < 0)
		error = -errno;
	while (!error) {
		ssize_t n = sendfile(out, in, NULL, COPY_MAX);
		if (n <= 0) {
			error = n ? -errno : 0;
			break;
		}
	}
	if (out >= 0)
		close(out);
	close(in);
	return error;
}

/* One entry of the host's /etc. What cannot be taken is left out: it was not there, or was no file to begin with. */
static int
take_etc(int host_etc, int etc, const char *name)
{
	struct stat stat;
	char target[1024];

	if (fstatat(host_etc, name, &stat, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (S_ISLNK(stat.st_mode)) {
		ssize_t n = readlinkat(host_etc, name, target, sizeof(target) - 1);
		if (n > 0 && !strncmp(target, "/usr/", 5)) {
			target[n] = '\0';
			return symlinkat(target, etc, name) ? -errno : 0;
		}
		/* A link elsewhere (resolv.conf into /run): what it points to is copied, where it is a file. */
		if (fstatat(host_etc, name, &stat, 0) || !S_ISREG(stat.st_mode))
			return 0;
	}
	if (S_ISDIR(stat.st_mode)) {
		if (mkdirat(etc, name, 0755))
			return -errno;
		return bind_part(host_etc, name, etc, name,
		    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	}
	if (S_ISREG(stat.st_mode))
		(void)copy_file(host_etc, name, etc, name);
	return 0;
}

/* Without stdio, for pid 1 and the launcher's forks: one may be in any state. */
static char *
decimal(char end[static 24], uint64_t value)
{
	char *at = end + 23;

	*at = '\0';
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	return at;
}

/* What gives the command's user, and his group of the same number, a name. */
static const struct name_file {
	const char *name, *before, *between, *after;
} name_files[] = {
	{ "passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:", ":", ":user:/home/user:/bin/sh\n"
	  "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" },
	{ "group", "root:x:0:\nuser:x:", NULL, ":\nnogroup:x:65534:\n" },
};

static char *
name_text(char text[static 256], const struct name_file *file, uid_t uid)
{
	char end[24];
	const char *number = decimal(end, uid);

	char *at = stpcpy(stpcpy(text, file->before), number);
	if (file->between)
		at = stpcpy(stpcpy(at, file->between), number);
	strcpy(at, file->after);
	return text;
}

static int
make_own_etc(int etc, uid_t uid)
{
	char text[256];
	int error;

	for (size_t i = 0; i < LEN(name_files); i++)
		if ((error = text_write(etc, name_files[i].name, name_text(text, &name_files[i], uid))))
			return error;
	if ((error = text_write(etc, "hosts", "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost sandbox\n")))
		return error;
	if ((error = text_write(etc, "hostname", "sandbox\n")))
		return error;
	return text_write(etc, "nsswitch.conf",
	    "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n"
	    "protocols: files\n");
}

static int
make_etc(int base, int parts, const struct root_config *config)
{
	int error = 0;

	if (mkdirat(parts, "etc", 0755))
		return -errno;
	int etc = openat(parts, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (etc < 0)
		return -errno;
	int host_etc = openat(base, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = host_etc < 0 ? NULL : fdopendir(dup(host_etc));
	struct dirent *entry;
	while (!error && list && (entry = readdir(list)))
		if (name_in(entry->d_name, etc_names, LEN(etc_names)))
			error = take_etc(host_etc, etc, entry->d_name);
	if (list)
		closedir(list);
	if (!error)
		error = make_own_etc(etc, config->uid);
	if (!error && symlinkat("/proc/self/mounts", etc, "mtab"))
		error = -errno;
	if (host_etc >= 0)
		close(host_etc);
	close(etc);
	return error;
}

/* Where mknod is refused (in a user namespace), the host's own device is bound. */
static int
make_device(int dev, const struct device *device)
{
	char path[32];

	if (!mknodat(dev, device->name, S_IFCHR | 0666, makedev(device->major, device->minor)))
		return fchmodat(dev, device->name, 0666, 0) ? -errno : 0;
	if (errno != EPERM)
		return -errno;
	int fd = openat(dev, device->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	close(fd);
	snprintf(path, sizeof(path), "/dev/%s", device->name);
	return bind_part(AT_FDCWD, path, dev, device->name, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

static int
make_dev(int parts)
{
	int error = 0;

	if (mkdirat(parts, "dev", 0755))
		return -errno;
	int dev = openat(parts, "dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dev < 0)
		return -errno;
	for (size_t i = 0; i < LEN(devices) && !error; i++)
		error = make_device(dev, &devices[i]);
	for (size_t i = 0; i < LEN(device_links) && !error; i++)
		if (symlinkat(device_links[i].target, dev, device_links[i].name))
			error = -errno;
	if (!error && (mkdirat(dev, "pts", 0755) || mkdirat(dev, "mqueue", 0755)))
		error = -errno;
	close(dev);
	return error;
}

/* Binds or notes one top-level entry of the base. */
static int
take_system(struct root *root, int base, const char *name)
{
	struct stat stat;

	if (fstatat(base, name, &stat, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (root->system_len == PARTS_MAX || strlen(name) >= sizeof(root->system[0].name))
		return -E2BIG;
	struct part *part = &root->system[root->system_len];
	snprintf(part->name, sizeof(part->name), "%s", name);
	if (S_ISLNK(stat.st_mode)) {
		ssize_t n = readlinkat(base, name, part->link, sizeof(part->link) - 1);
		if (n <= 0)
			return n ? -errno : -EINVAL;
		part->link[n] = '\0';
	} else if (S_ISDIR(stat.st_mode)) {
		if (mkdirat(root->parts, name, 0755))
			return -errno;
		int error = bind_part(base, name, root->parts, name,
		    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
		if (error)
			return error;
	} else {
		return 0;
	}
	root->system_len++;
	return 0;
}

static int
take_all_system(struct root *root, int base, bool is_rootfs)
{
	int error = 0;

	if (!is_rootfs) {
		for (size_t i = 0; i < LEN(system_names) && !error; i++)
			error = take_system(root, base, system_names[i]);
		return error;
	}
	DIR *list = fdopendir(dup(base));
	if (!list)
		return -errno;
	struct dirent *entry;
	while (!error && (entry = readdir(list)))
		if (entry->d_name[0] != '.' && !name_in(entry->d_name, own_names, LEN(own_names)))
			error = take_system(root, base, entry->d_name);
	closedir(list);
	return error;
}

static int
take_bind(struct root *root, const struct root_bind *bind)
{
	struct stat info;
	uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

	if (root->binds_len == ROOT_BINDS_MAX || strlen(bind->target) >= LINK_MAX)
		return -E2BIG;
	if (stat(bind->source, &info))
		return -errno;
	struct part *part = &root->binds[root->binds_len];
	snprintf(part->name, sizeof(part->name), "bind/%zu", root->binds_len);
	snprintf(part->link, sizeof(part->link), "%s", bind->target);
	part->is_file = !S_ISDIR(info.st_mode);
	if (part->is_file) {
		int fd = openat(root->parts, part->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return -errno;
		close(fd);
	} else if (mkdirat(root->parts, part->name, 0755)) {
		return -errno;
	}
	if (!bind->writable)
		attributes |= MOUNT_ATTR_RDONLY;
	int error = bind_part(AT_FDCWD, bind->source, root->parts, part->name, attributes);
	if (!error)
		root->binds_len++;
	return error;
}

static int
make_masks(int parts)
{
	if (mkdirat(parts, "mask", 0700) || mkdirat(parts, "mask/directory", 0) ||
	    mkdirat(parts, "bind", 0700) || mkdirat(parts, "new", 0700))
		return -errno;
	int fd = openat(parts, "mask/file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int
root_leave_chroot(int proc)
{
	int own = openat(proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (own < 0)
		return -errno;
	int error = setns(own, CLONE_NEWNS) ? -errno : 0;
	close(own);
	return error;
}

/* The parts become the root of the launcher's mount namespace. An initramfs cannot be pivoted away from (pivot_root(2)):
 * there the parts are moved over it. */
static int
enter_parts(const struct root *root)
{
	int error = root_leave_chroot(root->proc);

	if (error)
		return error;
	if (fchdir(root->parts))
		return -errno;
	if (!syscall(SYS_pivot_root, ".", ".")) {
		if (umount2(".", MNT_DETACH))
			return -errno;
	} else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".")) {
		return -errno;
	}
	return chdir("/") ? -errno : 0;
}

/* A directory that the parts can be put on for a moment: one that every host has, and that nothing is taken from by
 * path any more (/proc is open already). */
static int
attach_parts(int parts)
{
	static const char *const places[] = { "/proc", "/mnt", "/tmp", "/run" };
	int error = -ENOENT;

	for (size_t i = 0; i < LEN(places) && error; i++)
		error = sys_move_mount(parts, AT_FDCWD, places[i]);
	return error;
}

/* In a user namespace a new proc can only be mounted where the old one, whole, is in the mount namespace as well. */
static int
keep_proc(const struct root *root)
{
	if (mkdirat(root->parts, "proc", 0755))
		return -errno;
	int tree = sys_open_tree(root->proc, "", AT_EMPTY_PATH | AT_RECURSIVE);
	int error = tree < 0 ? tree : sys_move_mount(tree, root->parts, "proc");
	if (tree >= 0)
		close(tree);
	return error;
}

int
root_open(struct root **out, const struct root_config *config, struct root_fault *fault)
{
	static const struct option options[] = { { "size", "48m" }, { "mode", "0755" } };
	int error, base = -1;

	struct root *root = calloc(1, sizeof(*root));
	fault->step = "allocate memory";
	if (!root)
		return -ENOMEM;
	root->uid = config->uid;
	fault->step = "open /proc";
	root->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->proc < 0)
		goto err_errno;
	fault->step = "look for a /proc that is mounted";
	if (syscall(SYS_faccessat, root->proc, "self", F_OK))
		goto err_errno;
	fault->step = "open the root file system";
	base = open(config->rootfs ? config->rootfs : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		goto err_errno;
	fault->step = "mount the launcher's tmpfs";
	root->parts = new_mount("tmpfs", options, LEN(options), MOUNT_ATTR_NOSUID);
	error = root->parts < 0 ? root->parts : make_masks(root->parts);
	/* It has to be attached before anything can be mounted on it. */
	if (error)
		goto err;
	fault->step = "make /dev";
	error = attach_parts(root->parts);
	if (!error)
		error = make_dev(root->parts);
	if (error)
		goto err;
	fault->step = "keep /proc";
	if (config->rootless && (error = keep_proc(root)))
		goto err;
	fault->step = "bind the system directories";
	if ((error = take_all_system(root, base, config->rootfs != NULL)))
		goto err;
	fault->step = "make /etc";
	if ((error = make_etc(base, root->parts, config)))
		goto err;
	fault->step = "bind";
	for (size_t i = 0; i < config->binds_len; i++)
		if ((error = take_bind(root, &config->binds[i])))
			goto err;
	close(base);
	fault->step = "enter the launcher's root";
	if ((error = enter_parts(root)))
		goto err_closed;
	fault->step = NULL;
	*out = root;
	return 0;
err_errno:
	error = -errno;
err:
	if (base >= 0)
		close(base);
err_closed:
	free(root);
	return error;
}

/* --- a sandbox ---------------------------------------------------------------------------------- */

static uint64_t
inodes_of(uint64_t disk_kb)
{
	uint64_t inodes = disk_kb / INODE_SHARE_KB;
	return inodes < INODES_LEAST ? INODES_LEAST : inodes > INODES_MOST ? INODES_MOST : inodes;
}

/* "262144k": the size option. */
static const char *
kilobytes(char end[static 26], uint64_t kb)
{
	end[24] = 'k';
	end[25] = '\0';
	char *at = end + 24;
	do
		*--at = (char)('0' + kb % 10);
	while (kb /= 10);
	return at;
}

static int
fill_tree(int tree, uid_t uid, gid_t gid)
{
	for (size_t i = 0; i < LEN(tree_directories); i++) {
		const struct tree_directory *directory = &tree_directories[i];
		if (mkdirat(tree, directory->path, 0755) || fchownat(tree, directory->path, uid, gid, 0) ||
		    fchmodat(tree, directory->path, directory->mode, 0))
			return -errno;
	}
	return 0;
}

int
root_tree(uint64_t disk_kb, uid_t uid, gid_t gid, struct root_fault *fault)
{
	char size[26], inodes[24], uid_text[24], gid_text[24];
	const struct option options[] = {
		{ "size", kilobytes(size, disk_kb) }, { "nr_inodes", decimal(inodes, inodes_of(disk_kb)) },
		{ "uid", decimal(uid_text, uid) }, { "gid", decimal(gid_text, gid) }, { "mode", "0755" },
	};

	fault->step = "mount tmpfs";
	int tree = new_mount("tmpfs", options, LEN(options),
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
	if (tree < 0)
		return tree;
	fault->step = "make directories";
	int error = fill_tree(tree, uid, gid);
	if (error) {
		close(tree);
		return error;
	}
	return tree;
}

int
root_tree_resize(int tree, uint64_t disk_kb)
{
	char size[26], inodes[24];

	long context = syscall(SYS_fspick, tree, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (context < 0)
		return -errno;
	int error = configure((int)context, "size", kilobytes(size, disk_kb));
	if (!error)
		error = configure((int)context, "nr_inodes", decimal(inodes, inodes_of(disk_kb)));
	if (!error && syscall(SYS_fsconfig, context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))
		error = -errno;
	close((int)context);
	return error;
}

/* One component of a mount point, below an open directory: opened, made where it is missing; never a link. */
static int
mount_point_step(int at, const char *name, bool is_file)
{
	int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
	struct stat stat;

	if (!is_file) {
		if (mkdirat(at, name, 0755) && errno != EEXIST)
			return -errno;
		int fd = openat(at, name, flags | O_DIRECTORY);
		return fd < 0 ? -errno : fd;
	}
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
	else if (errno != EEXIST)
		return -errno;
	fd = openat(at, name, flags);
	if (fd < 0)
		return -errno;
	/* A link itself can be opened like this. */
	int error = fstat(fd, &stat) ? -errno : S_ISLNK(stat.st_mode) ? -ELOOP : 0;
	if (!error)
		return fd;
	close(fd);
	return error;
}

/* Makes and opens a mount point in a tree that payloads may be writing at this moment: each component is made and opened
 * by its name alone, below the descriptor of the one before it, so that no link is ever followed. */
static int
mount_point(int tree, const char *path, bool is_file)
{
	char name[LINK_MAX];
	int at = tree;

	for (;;) {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (len == 0 || len >= sizeof(name))
			break;
		memcpy(name, path, len);
		name[len] = '\0';
		if (!strcmp(name, ".."))
			break;
		path += len;
		bool last = path[strspn(path, "/")] == '\0';
		int next = mount_point_step(at, name, last && is_file);
		if (at != tree)
			close(at);
		if (next < 0 || last)
			return next;
		at = next;
	}
	if (at != tree)
		close(at);
	return -EINVAL;
}

/* Puts a clone of one of the parts on a mount point of the tree: the mount's descriptor, or -errno. */
static int
place_open(const char *part, int tree, const char *target, bool is_file, uint64_t attributes)
{
	int point = mount_point(tree, target, is_file);
	if (point < 0)
		return point;
	int mount = sys_open_tree(AT_FDCWD, part, AT_RECURSIVE);
	int error = mount < 0 ? 0 : attach(mount, 0, attributes, point, "");
	close(point);
	if (error) {
		close(mount);
		return error;
	}
	return mount;
}

static int
place(const char *part, int tree, const char *target, bool is_file, uint64_t attributes)
{
	int mount = place_open(part, tree, target, is_file, attributes);
	if (mount >= 0)
		close(mount);
	return mount < 0 ? mount : 0;
}

/* Lays a tree, which is closed, over a name, so that nothing can be done to either: a mask is its user's own file
 * where all have one uid. */
static int
cover(int tree, int at, const char *name)
{
	int error = tree < 0 ? tree : attach(tree, 0,
	    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, at, name);
	if (tree >= 0)
		close(tree);
	return error;
}

/* Without a user namespace each sandbox has another uid, of which the parts' files know one. Its own last as
 * long as the sandbox; for a moment they have a name that no other has, since only then can they be mounted. */
static int
cover_names(int etc, uid_t init_uid, uid_t uid)
{
	char text[256], name[32], end[24];
	int error = 0;

	strcpy(stpcpy(name, "mask/"), decimal(end, init_uid));
	for (size_t i = 0; i < LEN(name_files) && !error; i++) {
		error = text_write(AT_FDCWD, name, name_text(text, &name_files[i], uid));
		if (!error)
			error = cover(sys_open_tree(AT_FDCWD, name, 0), etc, name_files[i].name);
		(void)unlink(name);
	}
	return error;
}

static int
build_etc(const struct root *root, int tree, uid_t init_uid, uid_t uid)
{
	int etc = place_open("etc", tree, "etc", false, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (etc < 0)
		return etc;
	int error = uid == root->uid ? 0 : cover_names(etc, init_uid, uid);
	close(etc);
	return error;
}

static int
place_system(const struct root *root, int tree)
{
	for (size_t i = 0; i < root->system_len; i++) {
		const struct part *part = &root->system[i];
		int error = 0;
		if (!part->link[0])
			error = place(part->name, tree, part->name, false, 0);
		else if (symlinkat(part->link, tree, part->name) && errno != EEXIST)
			error = -errno;
		if (error)
			return error;
	}
	return 0;
}

static int
place_new(const char *type, const struct option *options, size_t len, unsigned attributes, int tree,
    const char *target)
{
	int point = mount_point(tree, target, false);
	if (point < 0)
		return point;
	int mount = new_mount(type, options, len, attributes);
	if (mount >= 0) {
		int error = sys_move_mount(mount, point, "");
		if (error) {
			close(mount);
			mount = error;
		}
	}
	close(point);
	return mount;
}

static int
mask_proc(int proc)
{
	struct stat stat;

	for (size_t i = 0; i < LEN(proc_masked); i++) {
		if (fstatat(proc, proc_masked[i], &stat, AT_SYMLINK_NOFOLLOW)) {
			if (errno != ENOENT)
				return -errno;
			continue;
		}
		int error = cover(sys_open_tree(AT_FDCWD, S_ISDIR(stat.st_mode) ? "mask/directory" : "mask/file", 0),
		    proc, proc_masked[i]);
		if (error)
			return error;
	}
	for (size_t i = 0; i < LEN(proc_read_only); i++) {
		int tree = sys_open_tree(proc, proc_read_only[i], 0);
		if (tree == -ENOENT)
			continue;
		int error = cover(tree, proc, proc_read_only[i]);
		if (error)
			return error;
	}
	return 0;
}

static int
build_proc(int tree)
{
	static const struct option options[] = { { "hidepid", "2" } };

	int proc = place_new("proc", options, LEN(options),
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, tree, "proc");
	if (proc < 0)
		return proc;
	int error = mask_proc(proc);
	close(proc);
	return error;
}

static int
build_devpts(int tree)
{
	char most[24];
	const struct option options[] = {
		{ "ptmxmode", "0666" }, { "mode", "0620" }, { "max", decimal(most, PTYS_MAX) },
	};

	int mount = place_new("devpts", options, LEN(options),
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME, tree, "dev/pts");
	if (mount >= 0)
		close(mount);
	return mount < 0 ? mount : 0;
}

/* The POSIX message queues of the sandbox's ipc namespace. A kernel without them has nothing to show. */
static int
build_mqueue(int tree)
{
	int mount = place_new("mqueue", NULL, 0,
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME, tree, "dev/mqueue");
	if (mount >= 0)
		close(mount);
	return mount < 0 && mount != -ENODEV ? mount : 0;
}

static int
enter_tree(int tree)
{
	if (fchdir(tree) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return -errno;
	return 0;
}

/* The parts are named by path here (the working directory is their root): the process has its own copies of their mounts,
 * and the launcher's descriptors are of the launcher's. */
int
root_build(const struct root *root, int tree, uid_t init_uid, uid_t uid, struct root_fault *fault)
{
	int error;

	fault->step = "attach the root file system";
	if ((error = sys_move_mount(tree, AT_FDCWD, "new")))
		return error;
	fault->step = "bind the system directories";
	if ((error = place_system(root, tree)))
		return error;
	fault->step = "bind /etc";
	if ((error = build_etc(root, tree, init_uid, uid)))
		return error;
	fault->step = "bind /dev";
	if ((error = place("dev", tree, "dev", false, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC)))
		return error;
	fault->step = "mount devpts";
	if ((error = build_devpts(tree)))
		return error;
	fault->step = "mount mqueue";
	if ((error = build_mqueue(tree)))
		return error;
	fault->step = "mount proc";
	if ((error = build_proc(tree)))
		return error;
	fault->step = "bind";
	for (size_t i = 0; i < root->binds_len; i++) {
		const struct part *bind = &root->binds[i];
		if ((error = place(bind->name, tree, bind->link, bind->is_file, 0)))
			return error;
	}
	fault->step = "pivot_root";
	return enter_tree(tree);
}

int
root_proc(const struct root *root)
{
	return root->proc;
}
