/* parcel.c - packs and opens parcels. Knows their layout, makes and maps memfds, touches no file. */
#include "parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARCEL_MAGIC = 0x4f534231 };	/* "OSB1" */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U		/* Linux 6.3 */
#endif

static struct parcel_head *
head_of(struct buf *buf)
{
	return buf->failed ? NULL : (struct parcel_head *)(void *)buf->data;
}

void
parcel_begin(struct buf *buf)
{
	struct parcel_head head = { .magic = PARCEL_MAGIC };

	buf_append(buf, &head, sizeof(head));
}

static void
put_string(struct buf *buf, struct str text)
{
	buf_append_str(buf, text);
	buf_putc(buf, '\0');
}

void
parcel_arg(struct buf *buf, struct str text)
{
	put_string(buf, text);
	if (head_of(buf))
		head_of(buf)->argc++;
}

void
parcel_env(struct buf *buf, struct str name, struct str value)
{
	buf_append_str(buf, name);
	buf_putc(buf, '=');
	put_string(buf, value);
	if (head_of(buf))
		head_of(buf)->envc++;
}

void
parcel_cwd(struct buf *buf, struct str path)
{
	put_string(buf, path);
}

void
parcel_file(struct buf *buf, struct str path, uint32_t mode, struct str content)
{
	struct parcel_file file = {
		.size = content.len, .mode = mode, .path_len = (uint32_t)path.len,
	};

	buf_append(buf, &file, sizeof(file));
	put_string(buf, path);
	buf_append_str(buf, content);
	if (head_of(buf))
		head_of(buf)->files++;
}

void
parcel_copy(struct buf *buf, struct str path)
{
	put_string(buf, path);
	if (head_of(buf))
		head_of(buf)->copies++;
}

static int
write_all(int fd, struct str content)
{
	for (size_t at = 0; at < content.len;) {
		ssize_t n = write(fd, content.data + at, content.len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	return 0;
}

int
parcel_seal(const char *name, struct str content)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	int error = write_all(fd, content);
	if (!error && (lseek(fd, 0, SEEK_SET) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)))
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

int
parcel_post(const char *name, struct str content)
{
	int ends[2];

	if (content.len > PARCEL_SMALL)
		return parcel_seal(name, content);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	int error = write_all(ends[1], content);
	close(ends[1]);
	if (error)
		close(ends[0]);
	return error ? error : ends[0];
}

/* Takes the NUL-terminated string off the front of rest: NULL when there is none. */
static char *
take_string(struct str *rest)
{
	char *end = memchr(rest->data, '\0', rest->len);
	if (!end)
		return NULL;
	char *text = end - (end - rest->data);
	rest->len -= (size_t)(end + 1 - rest->data);
	rest->data = end + 1;
	return text;
}

bool
parcel_next_file(struct str *files, const char **path, uint32_t *mode, struct str *content)
{
	struct parcel_file file;

	if (files->len < sizeof(file))
		return false;
	memcpy(&file, files->data, sizeof(file));
	struct str rest = { files->data + sizeof(file), files->len - sizeof(file) };
	*path = take_string(&rest);
	if (!*path || strlen(*path) != file.path_len || file.size > rest.len)
		return false;
	*mode = file.mode & 0777;
	*content = (struct str){ rest.data, (size_t)file.size };
	*files = (struct str){ rest.data + file.size, rest.len - (size_t)file.size };
	return true;
}

bool
parcel_next_copy(struct str *copies, const char **path)
{
	*path = copies->len ? take_string(copies) : NULL;
	return *path != NULL;
}

static char **
take_strings(struct str *rest, size_t count, char **into)
{
	for (size_t i = 0; i < count; i++) {
		into[i] = take_string(rest);
		if (!into[i])
			return NULL;
	}
	into[count] = NULL;
	return into;
}

/* Finds where the files end and the paths begin, by walking over what both promise. */
static int
split_rest(struct parcel *parcel, struct str rest)
{
	struct str walk = rest, content;
	const char *path;
	uint32_t mode;

	for (uint32_t i = 0; i < parcel->head.files; i++)
		if (!parcel_next_file(&walk, &path, &mode, &content))
			return -EBADMSG;
	parcel->files = (struct str){ rest.data, rest.len - walk.len };
	parcel->copies = walk;
	for (uint32_t i = 0; i < parcel->head.copies; i++)
		if (!parcel_next_copy(&walk, &path))
			return -EBADMSG;
	return walk.len ? -EBADMSG : 0;
}

/* What is shorter than the space for it is whole then, from a pipe as from a memfd. Else it is a memfd, and mapped. */
static int
take_content(struct parcel *parcel, int fd, struct str *content)
{
	struct stat stat;
	ssize_t n;

	do
		n = pread(fd, parcel->small, sizeof(parcel->small), 0);
	while (n < 0 && errno == EINTR);
	while (n < 0 && (errno == ESPIPE || errno == EINTR))
		n = read(fd, parcel->small, sizeof(parcel->small));
	if (n < 0)
		return -errno;
	parcel->small_len = (size_t)n;
	*content = (struct str){ parcel->small, (size_t)n };
	if ((size_t)n < sizeof(parcel->small))
		return 0;
	if (fstat(fd, &stat))
		return -errno;
	if (S_ISFIFO(stat.st_mode))
		return 0;
	size_t size = (size_t)stat.st_size;
	char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	parcel->map = map;
	parcel->map_size = size;
	*content = (struct str){ map, size };
	return 0;
}

static int
take_room(struct parcel *parcel, char ***strings)
{
	size_t count = (size_t)parcel->head.argc + parcel->head.envc + 2;

	*strings = parcel->small_strings;
	if (count <= PARCEL_SMALL_STRINGS)
		return 0;
	*strings = mmap(NULL, count * sizeof(char *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*strings == MAP_FAILED)
		return -errno;
	parcel->strings = *strings;
	parcel->strings_size = count * sizeof(char *);
	return 0;
}

int
parcel_open(struct parcel *parcel, int fd)
{
	struct str content = { NULL, 0 };
	char **strings;

	parcel->map = parcel->strings = NULL;
	parcel->small_len = 0;
	int error = take_content(parcel, fd, &content);
	if (error)
		return error;
	if (content.len < sizeof(parcel->head))
		return -EBADMSG;
	struct parcel_head *head = &parcel->head;
	memcpy(head, content.data, sizeof(*head));
	if (head->magic != PARCEL_MAGIC || head->argc > PARCEL_STRINGS_MAX ||
	    head->envc > PARCEL_STRINGS_MAX || head->files > PARCEL_STRINGS_MAX ||
	    head->copies > PARCEL_STRINGS_MAX)
		return -EBADMSG;
	if ((error = take_room(parcel, &strings)))
		return error;
	struct str rest = { content.data + sizeof(*head), content.len - sizeof(*head) };
	parcel->argv = take_strings(&rest, head->argc, strings);
	if (!parcel->argv)
		return -EBADMSG;
	parcel->envp = take_strings(&rest, head->envc, strings + head->argc + 1);
	parcel->cwd = parcel->envp ? take_string(&rest) : NULL;
	return parcel->cwd ? split_rest(parcel, rest) : -EBADMSG;
}

void
parcel_close(struct parcel *parcel)
{
	if (parcel->strings)
		munmap(parcel->strings, parcel->strings_size);
	if (parcel->map)
		munmap(parcel->map, parcel->map_size);
	explicit_bzero(parcel->small, parcel->small_len);
	memset(parcel->small_strings, 0, sizeof(parcel->small_strings));
	parcel->map = parcel->strings = NULL;
	parcel->argv = parcel->envp = NULL;
	parcel->small_len = 0;
}
