/* files.c - file operations inside a sandbox: uploads, downloads, listings, deletion, copying in
 * and out
 *
 * Runs as the sandbox's user, in a process that is confined like a command and that does one thing
 * and ends. It knows parcels and the file system; it touches descriptors 0 and 1 (or the one that
 * it is given) and what paths lead to. Paths are resolved as a program of the user's would: no path
 * leads further than the payload could have gone. What is taken care of is that nothing hangs
 * (FIFOs, sockets and devices are never opened), that nothing follows a link where a name is meant,
 * and that other processes of the same user, who may change everything at any time, can make an
 * operation fail but not run wild.
 *
 * Uploads. A file is written without a name (O_TMPFILE) in the directory where it will be, and gets
 * its name by link(2) when it is whole and nobody has it open for writing: an upload that is killed
 * leaves nothing, and what was uploaded can be executed at once. Where something has the name
 * already, or the file system has no O_TMPFILE, the new file has a random name that begins with
 * `.opensandbox-upload-`, and is renamed. Killed just then (without O_TMPFILE: while it runs), it
 * leaves that file, which is the user's and counts as such. It is in the root where that is on the same
 * mount, and goes when a server finds the session again. It is not hunted down by later uploads:
 * it looks like one that another upload is still writing. Links are followed, also at the end of a path: a GET reads what a PUT
 * wrote, and the link stays.
 *
 * Deletion. A tree can be deeper than descriptors, stack and PATH_MAX allow, and the way back up by
 * ".." may lead elsewhere by then. So nothing climbs: from each sub-directory of the tree's top,
 * what has content is moved to the top under a name of ours, and the top is gone through until it
 * is empty. Three descriptors; each directory is moved at most once; a directory that is held open
 * stays the one that was in the tree, wherever it is moved. The number of names looked at has an
 * end, for a payload may make them as fast as they go. The first name that cannot be removed (a
 * mount point: EBUSY) ends it.
 *
 * files_write runs in memory shared with pid 1, on a small stack: no malloc, no stdio, here and in
 * all of this room. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "message.h"

enum {
	CHUNK_SIZE = 32 << 10,		/* read and written at a time: on the stack */
	LISTING_SIZE = 16 << 10,	/* of names read, and of entries written, at a time */
	LINKS_MAX = 40,			/* followed at the end of a path, as the kernel does */
	TRIES_MAX = 16,			/* for what another process may have changed under us */
	REMOVE_TRIES_MAX = 100,		/* to remove a directory that others keep filling */
	VISITS_MAX = 1 << 26,		/* names looked at: no tmpfs below 64 GB has more */
	TEMPORARY_SIZE = 48,
	FD_PATH_SIZE = 32,
	MARK_MAX = 64,
};

/* The year 9999 ends; later times are a payload's joke, and do not fit a date. */
static const uint64_t modified_max_ms = UINT64_C(253402300799999);

static const char upload_prefix[] = ".opensandbox-upload-";
static const char delete_prefix[] = ".opensandbox-delete-";

/* Where a name is: its directory, held open, and its last component. */
struct place {
	int dir;		/* O_PATH */
	bool slash;		/* a '/' followed */
	char name[NAME_MAX + 1];	/* empty: the root */
};

struct upload {
	struct place place;
	int fd;			/* to write to; -1: closed */
	int unnamed;		/* O_PATH, of a file that has no name yet; -1: it has `temporary` */
	int root;		/* O_PATH: `temporary` is there; -1: it is in the place itself */
	char temporary[TEMPORARY_SIZE];	/* to be removed if all fails; empty: nothing to remove */
};

/* As the kernel has it in getdents64(2). */
struct record {
	uint64_t inode;
	int64_t next;
	uint16_t len;
	uint8_t type;		/* DT_* */
	char name[];
};

struct listing {
	int fd, error;
	size_t at, len;
	char data[LISTING_SIZE] __attribute__((aligned(8)));
};

struct removal {
	int top;
	uint64_t token;		/* of the next name of ours; begins at random */
	uint64_t visits;	/* names looked at */
	uint64_t changes;	/* names that are gone from where they were */
};

/* --- bytes ------------------------------------------------------------------------------------ */

/* A descriptor that came may be non-blocking: then this waits. Errors are left for the next call to
 * tell. */
static void
wait_for(int fd, short events)
{
	struct pollfd one = { .fd = fd, .events = events };

	(void)poll(&one, 1, -1);
}

static int
write_all(int fd, const void *data, size_t len)
{
	const char *from = data;

	while (len) {
		ssize_t n = write(fd, from, len);
		if (n < 0 && errno == EAGAIN)
			wait_for(fd, POLLOUT);
		else if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
		if (n > 0) {
			from += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static ssize_t
read_some(int fd, void *data, size_t size)
{
	for (;;) {
		ssize_t n = read(fd, data, size);
		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			wait_for(fd, POLLIN);
		else if (errno != EINTR)
			return -errno;
	}
}

/* Reads until size bytes or the file's end: how many, or -errno. */
static ssize_t
read_full(int fd, char *data, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read_some(fd, data + len, size - len);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* Sends len bytes of a file from offset on. -ESTALE: there are fewer now; with `filled`, zeros
 * stand for them. */
static int
send_range(int from, int to, uint64_t offset, uint64_t len, bool filled)
{
	char chunk[CHUNK_SIZE];

	while (len) {
		size_t want = len < sizeof(chunk) ? (size_t)len : sizeof(chunk);
		ssize_t n = pread(from, chunk, want, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 && !filled)
			return n < 0 ? -errno : -ESTALE;
		if (n <= 0) {
			memset(chunk, 0, want);
			n = (ssize_t)want;
		}
		int error = write_all(to, chunk, (size_t)n);
		if (error)
			return error;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static uint64_t
random_u64(void)
{
	/* Not secret, and every use makes sure that the name is free: anything will do where there
	 * is no entropy yet. */
	uint64_t value = (uint64_t)getpid() << 32 ^ (uint64_t)(uintptr_t)&value;

	(void)!getrandom(&value, sizeof(value), GRND_NONBLOCK);
	return value;
}

static void
set_temporary(char *name, const char *prefix, uint64_t value)
{
	size_t len = strlen(prefix);

	_Static_assert(sizeof(upload_prefix) + 16 <= TEMPORARY_SIZE, "room for the digits");
	_Static_assert(sizeof(delete_prefix) + 16 <= TEMPORARY_SIZE, "room for the digits");
	memcpy(name, prefix, len);
	for (int shift = 60; shift >= 0; shift -= 4)
		name[len++] = "0123456789abcdef"[value >> shift & 15];
	name[len] = '\0';
}

/* "/proc/self/fd/N" */
static void
set_fd_path(char *path, int fd)
{
	static const char prefix[] = "/proc/self/fd/";
	char digits[12];
	size_t len = sizeof(prefix) - 1, n = 0;

	_Static_assert(sizeof(prefix) + sizeof(digits) <= FD_PATH_SIZE, "room for the digits");
	memcpy(path, prefix, len);
	do
		digits[n++] = (char)('0' + fd % 10);
	while ((fd /= 10));
	while (n)
		path[len++] = digits[--n];
	path[len] = '\0';
}

static int
open_or_make(int dir, const char *name)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT || (mkdirat(dir, name, 0777) && errno != EEXIST))
			return -errno;
	}
	return -ENOENT;		/* a link to nowhere */
}

/* Opens the directory at path; each component that is not there is made. Path is changed in
 * passing. */
static int
open_made(int base, char *path)
{
	int dir = openat(base, *path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		char *end = path + strcspn(path, "/");
		bool last = !*end;
		*end = '\0';
		int next = open_or_make(dir, path);
		close(dir);
		if (next < 0 || last)
			return next;
		dir = next;
		path = end + 1;
	}
	return dir;
}

/* Finds the directory of path, relative to base. `make`: its parents are made. 0 or -errno. */
static int
place_open(struct place *place, int base, const char *path, bool make)
{
	char parent[PATH_MAX];
	size_t len = strnlen(path, sizeof(parent)), end, start;

	if (len == sizeof(parent))
		return -ENAMETOOLONG;
	if (!len)
		return -ENOENT;
	for (end = len; end && path[end - 1] == '/'; end--)
		continue;
	for (start = end; start && path[start - 1] != '/'; start--)
		continue;
	if (end - start >= sizeof(place->name))
		return -ENAMETOOLONG;
	memcpy(place->name, path + start, end - start);
	place->name[end - start] = '\0';
	place->slash = end < len;
	if (start)
		memcpy(parent, path, start);
	else
		parent[start++] = *path == '/' ? '/' : '.';
	parent[start] = '\0';
	int dir = openat(base, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		dir = errno == ENOENT && make ? open_made(base, parent) : -errno;
	if (dir < 0)
		return dir;
	place->dir = dir;
	return 0;
}

/* The name is one of a directory by its form alone. */
static bool
names_directory(const struct place *place)
{
	return place->slash || !*place->name || !strcmp(place->name, ".") ||
	    !strcmp(place->name, "..");
}

/* As place_open, parents made; a link at the end of the path is followed, also one that leads to
 * nothing yet. */
static int
place_open_followed(struct place *place, int base, const char *path)
{
	char target[PATH_MAX];
	int links = 0, error = place_open(place, base, path, true);

	while (!error && !names_directory(place)) {
		ssize_t n = readlinkat(place->dir, place->name, target, sizeof(target) - 1);
		if (n < 0)
			return 0;	/* no link; what else is wrong with it, its use will tell */
		target[n] = '\0';
		int dir = place->dir;
		error = ++links > LINKS_MAX ? -ELOOP : place_open(place, dir, target, true);
		close(dir);
	}
	if (!error) {
		close(place->dir);
		error = -EISDIR;
	}
	return error;
}

/* --- uploads ---------------------------------------------------------------------------------- */

/* What is there may be replaced: a file. *existed: there is something. */
static int
check_replaceable(const struct place *place, bool *existed)
{
	struct stat stat;

	*existed = !fstatat(place->dir, place->name, &stat, AT_SYMLINK_NOFOLLOW);
	if (!*existed)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(stat.st_mode))
		return -EISDIR;
	return S_ISREG(stat.st_mode) || S_ISLNK(stat.st_mode) ? 0 : -EEXIST;
}

/* A new file without a name. What fails here is tried with a name, and if that fails too, told
 * then. */
static bool
open_unnamed(struct upload *upload)
{
	char path[FD_PATH_SIZE];

	upload->fd = openat(upload->place.dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (upload->fd < 0)
		return false;
	/* Held this way it can be linked when the descriptor that writes is closed. */
	set_fd_path(path, upload->fd);
	upload->unnamed = open(path, O_PATH | O_CLOEXEC);
	if (upload->unnamed >= 0)
		return true;
	close(upload->fd);
	upload->fd = -1;
	return false;
}

static int
open_temporary(struct upload *upload)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		set_temporary(upload->temporary, upload_prefix, random_u64());
		upload->fd = openat(upload->place.dir, upload->temporary,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (upload->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	upload->temporary[0] = '\0';
	return -errno;
}

static int
temporary_dir(const struct upload *upload)
{
	return upload->root >= 0 ? upload->root : upload->place.dir;
}

static void
upload_close(struct upload *upload)
{
	if (upload->fd >= 0)
		close(upload->fd);
	if (upload->unnamed >= 0)
		close(upload->unnamed);
	if (upload->temporary[0])
		(void)unlinkat(temporary_dir(upload), upload->temporary, 0);
	if (upload->root >= 0)
		close(upload->root);
	close(upload->place.dir);
}

/* A new file that will be at path, when it is committed. 0, or -errno: nothing is open then. */
static int
upload_open(struct upload *upload, int base, const char *path)
{
	bool existed;

	upload->fd = upload->unnamed = upload->root = -1;
	upload->temporary[0] = '\0';
	int error = place_open_followed(&upload->place, base, path);
	if (error)
		return error;
	error = check_replaceable(&upload->place, &existed);
	if (!error && !open_unnamed(upload))
		error = open_temporary(upload);
	if (error)
		upload_close(upload);
	return error;
}

static int
link_temporary(struct upload *upload, const char *path)
{
	char name[TEMPORARY_SIZE];

	for (int i = 0; i < TRIES_MAX; i++) {
		set_temporary(name, upload_prefix, random_u64());
		if (!linkat(AT_FDCWD, path, temporary_dir(upload), name, AT_SYMLINK_FOLLOW)) {
			memcpy(upload->temporary, name, sizeof(name));
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return -errno;
}

/* Gives an unnamed file its name: the right one where that is free, else a temporary one, to be
 * renamed: in the root where it can be, so that one that a crash leaves is found (store.c). */
static int
upload_link(struct upload *upload, bool *existed)
{
	const struct place *place = &upload->place;
	char path[FD_PATH_SIZE];

	set_fd_path(path, upload->unnamed);
	if (!*existed) {
		if (!linkat(AT_FDCWD, path, place->dir, place->name, AT_SYMLINK_FOLLOW))
			return 0;
		if (errno != EEXIST)
			return -errno;
		*existed = true;
	}
	upload->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (upload->root >= 0 && link_temporary(upload, path)) {
		close(upload->root);	/* another mount, or closed to the user */
		upload->root = -1;
	}
	return upload->temporary[0] ? 0 : link_temporary(upload, path);
}

/* Puts the file in its place, whole. What can fail late on a full disk fails at close(2): before it
 * has the name. */
static int
upload_commit(struct upload *upload, uint32_t mode, bool *existed)
{
	const struct place *place = &upload->place;
	int error = fchmod(upload->fd, mode) ? -errno : 0;

	if (close(upload->fd) && !error && errno != EINTR)
		error = -errno;
	upload->fd = -1;
	if (!error)
		error = check_replaceable(place, existed);
	if (!error && upload->unnamed >= 0)
		error = upload_link(upload, existed);
	if (error || !upload->temporary[0])
		return error;
	if (renameat(temporary_dir(upload), upload->temporary, place->dir, place->name))
		return -errno;
	upload->temporary[0] = '\0';
	return 0;
}

static int
write_file(int base, const char *path, uint32_t mode, struct str content)
{
	struct upload upload;
	bool existed;

	int error = upload_open(&upload, base, path);
	if (error)
		return error;
	error = write_all(upload.fd, content.data, content.len);
	if (!error)
		error = upload_commit(&upload, mode, &existed);
	upload_close(&upload);
	return error;
}

/* The directory that relative paths begin at, opened when it is first needed: an absolute path may
 * have made it. */
static int
base_of(const struct parcel *parcel, const char *path, int *cwd, int *base)
{
	*base = AT_FDCWD;
	if (*path == '/')
		return 0;
	if (*cwd < 0)
		*cwd = open(parcel->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*base = *cwd;
	return *cwd < 0 ? -errno : 0;
}

int
files_write(const struct parcel *parcel, const char **path)
{
	struct str rest = parcel->files, content;
	uint32_t mode;
	int base, cwd = -1, error = 0;

	while (!error && parcel_next_file(&rest, path, &mode, &content)) {
		error = base_of(parcel, *path, &cwd, &base);
		if (!error)
			error = write_file(base, *path, mode, content);
	}
	if (cwd >= 0)
		close(cwd);
	return -error;
}

/* --- what a file is --------------------------------------------------------------------------- */

static uint64_t
modified_ms(const struct stat *stat)
{
	int64_t ms;

	if (__builtin_mul_overflow((int64_t)stat->st_mtim.tv_sec, 1000, &ms))
		return stat->st_mtim.tv_sec < 0 ? 0 : modified_max_ms;
	if (ms < 0)
		return 0;
	if ((uint64_t)ms > modified_max_ms - 999)
		return modified_max_ms;
	return (uint64_t)ms + (uint64_t)stat->st_mtim.tv_nsec / 1000000;
}

static int
send_head(const struct stat *stat, uint32_t kind)
{
	struct files_head head = {
		.kind = kind, .mode = stat->st_mode & 07777,
		.size = kind == FILES_REGULAR ? (uint64_t)stat->st_size : 0,
		.modified_ms = modified_ms(stat),
	};

	return write_all(1, &head, sizeof(head));
}

static uint32_t
kind_of(const struct stat *stat)
{
	if (S_ISREG(stat->st_mode))
		return FILES_REGULAR;
	return S_ISDIR(stat->st_mode) ? FILES_DIRECTORY : FILES_OTHER;
}

/* Opens a file or directory: the descriptor, or -errno. -ENXIO: it is something else, which is not
 * touched (opening a FIFO would let its writer go on), or if it has just become so, not waited for.
 * */
static int
open_readable(int base, const char *path, struct stat *stat)
{
	if (fstatat(base, path, stat, 0))
		return -errno;
	if (kind_of(stat) == FILES_OTHER)
		return -ENXIO;
	int fd = openat(base, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == EAGAIN ? -EBUSY : -errno;	/* someone's lease: fcntl(2) */
	int error = fstat(fd, stat) ? -errno : 0;
	if (!error && kind_of(stat) == FILES_OTHER)
		error = -ENXIO;
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

/* --- copying out ------------------------------------------------------------------------------ */

/* A file up to a chunk is read before its size is told, so that it is exact whatever happens to it.
 * */
static int
copy_file(int file, const struct stat *stat, int fd, uint64_t most)
{
	char chunk[CHUNK_SIZE];
	uint64_t size = (uint64_t)stat->st_size;
	struct files_copy head = { .size = size < most ? size : most, .truncated = size > most };

	size_t want = head.size < sizeof(chunk) ? (size_t)head.size : sizeof(chunk);
	ssize_t n = read_full(file, chunk, want);
	if (n < 0)
		head = (struct files_copy){ .error = (uint32_t)-n };
	else if ((size_t)n < want)
		head = (struct files_copy){ .size = (uint64_t)n };
	int error = write_all(fd, &head, sizeof(head));
	if (error || n <= 0)
		return error;
	error = write_all(fd, chunk, (size_t)n);
	return error ? error : send_range(file, fd, (uint64_t)n, head.size - (uint64_t)n, true);
}

static int
copy_path(const struct parcel *parcel, const char *path, int *cwd, int fd, uint64_t most)
{
	struct files_copy head = { 0 };
	struct stat stat = { 0 };
	int base, file = base_of(parcel, path, cwd, &base);

	if (!file)
		file = open_readable(base, path, &stat);
	if (file == -ENXIO)
		head.error = EINVAL;
	else if (file < 0)
		head.error = (uint32_t)-file;
	else if (S_ISDIR(stat.st_mode))
		head.error = EISDIR;
	int error = head.error ? write_all(fd, &head, sizeof(head)) :
	    copy_file(file, &stat, fd, most);
	if (file >= 0)
		close(file);
	return error;
}

int
files_copy_out(const struct parcel *parcel, int fd, uint64_t most)
{
	struct str rest = parcel->copies;
	const char *path;
	int cwd = -1, error = 0;

	while (!error && parcel_next_copy(&rest, &path))
		error = copy_path(parcel, path, &cwd, fd, most);
	if (cwd >= 0)
		close(cwd);
	return -error;
}

/* --- directories ------------------------------------------------------------------------------ */

static void
listing_begin(struct listing *listing, int fd)
{
	listing->fd = fd;
	listing->error = 0;
	listing->at = listing->len = 0;
}

/* The next name but "." and "..", valid until the next call. NULL: the end, or `error` is set. */
static const struct record *
listing_next(struct listing *listing)
{
	const struct record *record;

	do {
		if (listing->at == listing->len) {
			long n = syscall(SYS_getdents64, listing->fd, listing->data,
			    sizeof(listing->data));
			if (n < 0 && errno != ENOENT)
				listing->error = -errno;
			if (n <= 0)
				return NULL;	/* ENOENT: it has been removed */
			listing->at = 0;
			listing->len = (size_t)n;
		}
		record = (const struct record *)(const void *)(listing->data + listing->at);
		listing->at += record->len;
	} while (!strcmp(record->name, ".") || !strcmp(record->name, ".."));
	return record;
}

static char
type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFIFO: return 'p';
	case S_IFSOCK: return 's';
	case S_IFCHR: return 'c';
	default: return 'b';
	}
}

/* Describes a name: false when it is not there any more. In a directory that may be read but not
 * entered, its type is all. */
static bool
describe(int dir, const struct record *record, struct files_entry *entry)
{
	struct stat stat;

	*entry = (struct files_entry){ .name_len = (uint32_t)strlen(record->name) };
	_Static_assert(DT_DIR << 12 == S_IFDIR, "a type is what a mode has above its permissions");
	if (fstatat(dir, record->name, &stat, AT_SYMLINK_NOFOLLOW)) {
		entry->type = type_of((mode_t)record->type << 12);
		return errno != ENOENT;
	}
	entry->type = type_of(stat.st_mode);
	entry->mode = stat.st_mode & 07777;
	entry->modified_ms = modified_ms(&stat);
	if (S_ISREG(stat.st_mode) || S_ISLNK(stat.st_mode))
		entry->size = (uint64_t)stat.st_size;
	return true;
}

/* Sends the entries, in the order that the directory has them. One that grows while it is read has
 * an end, too. */
static int
send_listing(int dir)
{
	struct listing listing;
	const struct record *record;
	struct files_entry entry;
	char out[LISTING_SIZE];
	size_t len = 0;
	int error;

	listing_begin(&listing, dir);
	for (int visits = 0; (record = listing_next(&listing)); visits++) {
		if (visits == VISITS_MAX)
			return -EFBIG;
		if (!describe(dir, record, &entry))
			continue;
		if (sizeof(out) - len < sizeof(entry) + entry.name_len) {
			if ((error = write_all(1, out, len)))
				return error;
			len = 0;
		}
		memcpy(out + len, &entry, sizeof(entry));
		memcpy(out + len + sizeof(entry), record->name, entry.name_len);
		len += sizeof(entry) + entry.name_len;
	}
	error = write_all(1, out, len);
	return error ? error : listing.error;
}

/* --- deletion --------------------------------------------------------------------------------- */

/* A directory of the user's own that he cannot enter is made so that he can. Never a link's target.
 * */
static bool
make_passable(int dir, const char *name)
{
	char path[32];
	int error = errno;

	int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	bool done = fd >= 0 && !chmod(path, 0700);
	if (fd >= 0)
		close(fd);
	errno = error;
	return done;
}

/* Opens a directory whose content is to go, not by a link. */
static int
open_doomed(int dir, const char *name)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC };
	struct stat stat;

	int fd = openat(dir, name, FLAGS);
	if (fd < 0 && errno == EACCES && make_passable(dir, name))
		fd = openat(dir, name, FLAGS);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &stat) && (stat.st_mode & 0700) != 0700)
		(void)fchmod(fd, 0700);	/* or else what follows fails, and says so */
	return fd;
}

/* Removes a name: 0 when it is gone, -ENOTEMPTY when it is a directory with content (or changes too
 * fast), or -errno. A mount point is EBUSY here, before anything in it could be seen. */
static int
remove_name(int dir, const char *name, bool directory)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		if (!unlinkat(dir, name, directory ? AT_REMOVEDIR : 0) || errno == ENOENT)
			return 0;
		if (errno == (directory ? ENOTDIR : EISDIR))
			directory = !directory;
		else
			return errno == EEXIST ? -ENOTEMPTY : -errno;
	}
	return -ENOTEMPTY;
}

/* Moves a directory to the top of the tree. 0 also where that has to wait for a later pass, or is
 * not needed any more. */
static int
lift(struct removal *removal, int dir, const char *name)
{
	char lifted[TEMPORARY_SIZE];
	bool passable = false;

	for (int i = 0; i < TRIES_MAX; i++) {
		set_temporary(lifted, delete_prefix, removal->token++);
		if (!renameat(dir, name, removal->top, lifted)) {
			removal->changes++;
			return 0;
		}
		switch (errno) {
		case ENOENT:
		case EMLINK:	/* the top is full of directories: some will be gone by then */
			return 0;
		case EACCES:	/* ".." in it changes, so it must be writable */
			if (passable || !make_passable(dir, name))
				return -EACCES;
			passable = true;
			break;
		case EEXIST:
		case ENOTEMPTY:
		case ENOTDIR:
		case EISDIR:
			break;	/* the name is taken */
		default:
			return -errno;
		}
	}
	return 0;
}

/* Empties a sub-directory of the top, or leaves some of it for a later pass. */
static int
sweep_below(struct removal *removal, int dir)
{
	struct listing listing;
	const struct record *record;

	listing_begin(&listing, dir);
	while ((record = listing_next(&listing))) {
		if (++removal->visits > VISITS_MAX)
			return -ENOTEMPTY;
		int error = remove_name(dir, record->name, record->type == DT_DIR);
		if (!error)
			removal->changes++;
		else if (error == -ENOTEMPTY)
			error = lift(removal, dir, record->name);
		if (error)
			return error;
	}
	return listing.error;
}

static int
remove_below(struct removal *removal, const char *name)
{
	int dir = open_doomed(removal->top, name);
	if (dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP) {
		removal->changes++;	/* by others: the next pass sees what it is now */
		return 0;
	}
	if (dir < 0)
		return dir;
	int error = sweep_below(removal, dir);
	close(dir);
	if (error)
		return error;
	error = remove_name(removal->top, name, true);
	if (!error)
		removal->changes++;
	return error == -ENOTEMPTY ? 0 : error;
}

/* One pass over the top: 1 when there was something, 0 when it was empty, or -errno. */
static int
sweep_top(struct removal *removal)
{
	struct listing listing;
	const struct record *record;
	int found = 0;

	listing_begin(&listing, removal->top);
	if (lseek(removal->top, 0, SEEK_SET) < 0)
		return -errno;
	while ((record = listing_next(&listing))) {
		found = 1;
		if (++removal->visits > VISITS_MAX)
			return -ENOTEMPTY;
		int error = remove_name(removal->top, record->name, record->type == DT_DIR);
		if (!error)
			removal->changes++;
		else if (error == -ENOTEMPTY)
			error = remove_below(removal, record->name);
		if (error)
			return error;
	}
	return listing.error ? listing.error : found;
}

/* Empties a directory. A pass that changed nothing was the last. */
static int
empty_directory(struct removal *removal)
{
	for (;;) {
		uint64_t before = removal->changes;
		int found = sweep_top(removal);
		if (found <= 0)
			return found;
		if (removal->changes == before)
			return -ENOTEMPTY;
	}
}

static int
remove_tree(const struct place *place)
{
	struct removal removal = { .token = random_u64() };
	struct stat stat;

	if (fstatat(place->dir, place->name, &stat, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (place->slash && !S_ISDIR(stat.st_mode))
		return -ENOTDIR;
	for (int i = 0; i < REMOVE_TRIES_MAX; i++) {
		int error = remove_name(place->dir, place->name, S_ISDIR(stat.st_mode));
		if (error != -ENOTEMPTY)
			return error;
		removal.top = open_doomed(place->dir, place->name);
		if (removal.top == -ENOENT || removal.top == -ENOTDIR || removal.top == -ELOOP)
			continue;
		if (removal.top < 0)
			return removal.top;
		error = empty_directory(&removal);
		close(removal.top);
		if (error)
			return error;
	}
	return -ENOTEMPTY;
}

/* --- operations ------------------------------------------------------------------------------- */

static const char *
argument(const struct parcel *parcel, uint32_t i)
{
	return i < parcel->head.argc ? parcel->argv[i] : "";
}

/* A decimal number up to what a file can have; where there is none, the standard. */
static int
number_of(const char *text, uint64_t standard, uint64_t *value)
{
	*value = standard;
	return *text && str_to_u64(str_of(text), INT64_MAX, value) ? -EINVAL : 0;
}

static int
mode_of(const char *text, uint32_t *mode)
{
	*mode = *text ? 0 : 0644;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return -EINVAL;
		*mode = *mode << 3 | (uint32_t)(*text - '0');
		if (*mode > 0777)
			return -EINVAL;
	}
	return 0;
}

/* From descriptor 0 to its end. -ECONNABORTED: it was not as long as it should have been. */
static int
receive_content(int fd, uint64_t len, bool len_known)
{
	char chunk[CHUNK_SIZE];
	uint64_t got = 0;

	for (;;) {
		ssize_t n = read_some(0, chunk, sizeof(chunk));
		if (n < 0)
			return (int)n;
		if (n == 0)
			return len_known && got != len ? -ECONNABORTED : 0;
		if (len_known && (uint64_t)n > len - got)
			return -ECONNABORTED;
		int error = write_all(fd, chunk, (size_t)n);
		if (error)
			return error;
		got += (uint64_t)n;
	}
}

/* The same where nobody knows how long it is: its last bytes are the mark, or else the rest never came. */
static int
receive_marked(int fd, struct str mark)
{
	char chunk[CHUNK_SIZE];
	size_t held = 0;

	for (;;) {
		ssize_t n = read_some(0, chunk + held, sizeof(chunk) - held);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return held == mark.len && !memcmp(chunk, mark.data, held) ? 0 : -ECONNABORTED;
		held += (size_t)n;
		if (held <= mark.len)
			continue;
		int error = write_all(fd, chunk, held - mark.len);
		if (error)
			return error;
		memmove(chunk, chunk + held - mark.len, mark.len);
		held = mark.len;
	}
}

static int
operate_put(const struct parcel *parcel)
{
	struct upload upload;
	struct str mark = str_of(argument(parcel, 3));
	uint32_t mode;
	uint64_t len;
	bool existed = false;

	int error = mode_of(argument(parcel, 1), &mode);
	if (!error)
		error = number_of(argument(parcel, 2), 0, &len);
	if (!error && mark.len > MARK_MAX)
		error = -EINVAL;
	if (!error)
		error = upload_open(&upload, AT_FDCWD, argument(parcel, 0));
	if (error)
		return error;
	error = mark.len ? receive_marked(upload.fd, mark) :
	    receive_content(upload.fd, len, *argument(parcel, 2));
	if (!error)
		error = upload_commit(&upload, mode, &existed);
	upload_close(&upload);
	/* The file is there: that nobody may be left to hear of it changes nothing. */
	if (!error)
		(void)write_all(1, existed ? "1" : "0", 1);
	return error;
}

static int
operate_get(const struct parcel *parcel)
{
	uint64_t offset, len;
	struct stat stat = { 0 };

	int error = number_of(argument(parcel, 1), 0, &offset);
	if (!error)
		error = number_of(argument(parcel, 2), INT64_MAX, &len);
	if (error)
		return error;
	int fd = open_readable(AT_FDCWD, argument(parcel, 0), &stat);
	if (fd == -ENXIO)
		return send_head(&stat, FILES_OTHER);
	if (fd < 0)
		return fd;
	error = send_head(&stat, kind_of(&stat));
	if (!error && S_ISDIR(stat.st_mode)) {
		error = send_listing(fd);
	} else if (!error && offset < (uint64_t)stat.st_size) {
		uint64_t rest = (uint64_t)stat.st_size - offset;
		error = send_range(fd, 1, offset, len < rest ? len : rest, false);
	}
	close(fd);
	return error;
}

static int
operate_stat(const struct parcel *parcel)
{
	struct stat stat;

	if (fstatat(AT_FDCWD, argument(parcel, 0), &stat, 0))
		return -errno;
	return send_head(&stat, kind_of(&stat));
}

static int
operate_delete(const struct parcel *parcel)
{
	struct place place;

	if (!*argument(parcel, 0))
		return -EINVAL;
	int error = place_open(&place, AT_FDCWD, argument(parcel, 0), false);
	if (error)
		return error;
	if (!*place.name)
		error = -EBUSY;		/* the root */
	else if (!strcmp(place.name, ".") || !strcmp(place.name, ".."))
		error = -EINVAL;
	else
		error = remove_tree(&place);
	close(place.dir);
	return error;
}

static int
operate_check_cwd(const struct parcel *parcel)
{
	return chdir(argument(parcel, 0)) ? -errno : 0;
}

static int (*const operations[OPERATIONS_LEN])(const struct parcel *parcel) = {
	[OPERATION_PUT] = operate_put,
	[OPERATION_GET] = operate_get,
	[OPERATION_STAT] = operate_stat,
	[OPERATION_DELETE] = operate_delete,
	[OPERATION_CHECK_CWD] = operate_check_cwd,
};

int
files_operate(uint32_t operation, const struct parcel *parcel)
{
	if (operation >= OPERATIONS_LEN || !operations[operation])
		return EINVAL;
	return -operations[operation](parcel);
}
