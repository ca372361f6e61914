/* libc.c - functions of libc's that are smaller here
 *
 * musl's formatter brings long double arithmetic and wide characters along, 13 KB of which nothing is used; its strstr and qsort
 * are for more than comes here. Where musl is the C library, these take their place: in a static link the first definition is the one that counts, also for
 * musl's other functions. With any other C library (that is a build for the tests) its own are left alone. */
#include "format.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef __GLIBC__

enum { LINE_SIZE = 1024 };

static void
swap(char *a, char *b, size_t size)
{
	for (; size; size--) {
		char c = *a;
		*a++ = *b;
		*b++ = c;
	}
}

int
vsnprintf(char *restrict text, size_t size, const char *restrict format, va_list arguments)
{
	return format_text(text, size, format, arguments);
}

NO_DOUBLES
int
snprintf(char *restrict text, size_t size, const char *restrict format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int n = format_text(text, size, format, arguments);
	va_end(arguments);
	return n;
}

/* Streams: the two that are written to, without a buffer. No function of <stdio.h> but those here may be used on them. */
struct _IO_FILE {
	int fd;
	bool failed;
};

static struct _IO_FILE out = { STDOUT_FILENO, false }, errors = { STDERR_FILENO, false };
FILE *const stdout = &out, *const stderr = &errors;

size_t
fwrite(const void *restrict data, size_t size, size_t count, FILE *restrict file)
{
	const char *at = data;
	size_t left = size * count;

	while (left) {
		ssize_t n = write(file->fd, at, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			file->failed = true;
			return (size * count - left) / size;
		}
		at += n;
		left -= (size_t)n;
	}
	return count;
}

int
fflush(FILE *file)
{
	return file->failed ? EOF : 0;
}

int
setvbuf(FILE *restrict file, char *restrict buffer, int mode, size_t size)
{
	(void)file;
	(void)buffer;
	(void)mode;
	(void)size;
	return 0;
}

int
fputs(const char *restrict text, FILE *restrict file)
{
	size_t n = strlen(text);

	return fwrite(text, 1, n, file) == n ? 0 : EOF;
}

int
fputc(int c, FILE *file)
{
	unsigned char byte = (unsigned char)c;

	return fwrite(&byte, 1, 1, file) == 1 ? byte : EOF;
}

int
putchar(int c)
{
	return fputc(c, stdout);
}

int
puts(const char *text)
{
	return printf("%s\n", text) < 0 ? EOF : 0;
}

/* At once, so that lines of several processes do not mix. */
int
vfprintf(FILE *restrict file, const char *restrict format, va_list arguments)
{
	char line[LINE_SIZE], *text = line;

	int n = format_text(line, sizeof(line), format, arguments);
	if (n >= LINE_SIZE) {
		text = malloc((size_t)n + 1);
		if (!text)
			return -1;
		(void)format_text(text, (size_t)n + 1, format, arguments);
	}
	if (n > 0 && fwrite(text, 1, (size_t)n, file) != (size_t)n)
		n = -1;
	if (text != line)
		free(text);
	return n;
}

NO_DOUBLES
int
fprintf(FILE *restrict file, const char *restrict format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int n = vfprintf(file, format, arguments);
	va_end(arguments);
	return n;
}

NO_DOUBLES
int
printf(const char *restrict format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int n = vfprintf(stdout, format, arguments);
	va_end(arguments);
	return n;
}

/* A heap sort: no recursion, and no order of its input that is a bad one. */
static void
sink(char *base, size_t at, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && compare(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (compare(base + at * size, base + child * size) >= 0)
			return;
		swap(base + at * size, base + child * size, size);
	}
}

void
qsort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	for (size_t i = count / 2; i-- > 0;)
		sink(array, i, count, size, compare);
	for (size_t i = count; i-- > 1;) {
		swap(array, (char *)array + i * size, size);
		sink(array, 0, i, size, compare);
	}
}

/* A byte at a time: what is looked through here is short. */
char *
strchrnul(const char *text, int c)
{
	while (*text && *text != (char)c)
		text++;
	return (char *)(uintptr_t)text;
}

char *
strchr(const char *text, int c)
{
	text = strchrnul(text, c);
	return *text == (char)c ? (char *)(uintptr_t)text : NULL;
}

void *
memchr(const void *data, int c, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] == (unsigned char)c)
			return (void *)(uintptr_t)&bytes[i];
	return NULL;
}

size_t
strspn(const char *text, const char *set)
{
	size_t n = 0;

	while (text[n] && strchr(set, text[n]))
		n++;
	return n;
}

size_t
strcspn(const char *text, const char *set)
{
	size_t n = 0;

	while (text[n] && !strchr(set, text[n]))
		n++;
	return n;
}

int
strncmp(const char *a, const char *b, size_t size)
{
	for (; size; size--, a++, b++)
		if (*a != *b || !*a)
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

char *
strtok_r(char *restrict text, const char *restrict set, char **restrict rest)
{
	char *word = text ? text : *rest;

	word += strspn(word, set);
	*rest = word + strcspn(word, set);
	if (**rest)
		*(*rest)++ = '\0';
	return *word ? word : NULL;
}

char *
strcpy(char *restrict to, const char *restrict from)
{
	return memcpy(to, from, strlen(from) + 1);
}

char *
strncpy(char *restrict to, const char *restrict from, size_t size)
{
	size_t n = strnlen(from, size);

	memcpy(to, from, n);
	memset(to + n, 0, size - n);
	return to;
}

char *
getenv(const char *name)
{
	size_t n = strlen(name);

	for (char **entry = environ; entry && *entry; entry++)
		if (!strncmp(*entry, name, n) && (*entry)[n] == '=')
			return *entry + n + 1;
	return NULL;
}

int
unsetenv(const char *name)
{
	size_t n = strlen(name);
	char **to = environ;

	for (char **entry = environ; entry && *entry; entry++)
		if (strncmp(*entry, name, n) != 0 || (*entry)[n] != '=')
			*to++ = *entry;
	if (to)
		*to = NULL;
	return 0;
}

int
execvp(const char *file, char *const arguments[])
{
	const char *at = getenv("PATH"), *end;
	char path[PATH_MAX];
	int error = ENOENT;

	if (strchr(file, '/'))
		return execve(file, arguments, environ);
	for (at = at ? at : "/usr/local/bin:/bin:/usr/bin";; at = end + 1) {
		end = strchrnul(at, ':');
		if (snprintf(path, sizeof(path), "%.*s%s%s", (int)(end - at), at, end > at ? "/" : "", file) < PATH_MAX)
			(void)execve(path, arguments, environ);
		if (errno == EACCES)
			error = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			return -1;
		if (!*end)
			break;
	}
	errno = error;
	return -1;
}

char *
strstr(const char *text, const char *part)
{
	size_t n = strlen(part);

	for (; *text; text++)
		if (!strncmp(text, part, n))
			return (char *)(uintptr_t)text;
	return n ? NULL : (char *)(uintptr_t)text;
}

/* Each after its number: what the kernel says of files, processes and sockets on x86-64 and aarch64, in musl's words. */
static const char error_texts[] =
	"\1" "Operation not permitted\0" "\2" "No such file or directory\0" "\3" "No such process\0"
	"\4" "Interrupted system call\0" "\5" "I/O error\0" "\6" "No such device or address\0"
	"\7" "Argument list too long\0" "\10" "Exec format error\0" "\11" "Bad file descriptor\0"
	"\12" "No child process\0" "\13" "Resource temporarily unavailable\0" "\14" "Out of memory\0"
	"\15" "Permission denied\0" "\16" "Bad address\0" "\20" "Resource busy\0" "\21" "File exists\0"
	"\22" "Cross-device link\0" "\23" "No such device\0" "\24" "Not a directory\0" "\25" "Is a directory\0"
	"\26" "Invalid argument\0" "\27" "Too many open files in system\0" "\30" "No file descriptors available\0"
	"\31" "Not a tty\0" "\32" "Text file busy\0" "\33" "File too large\0" "\34" "No space left on device\0"
	"\35" "Invalid seek\0" "\36" "Read-only file system\0" "\37" "Too many links\0" "\40" "Broken pipe\0"
	"\43" "Resource deadlock would occur\0" "\44" "Filename too long\0" "\46" "Function not implemented\0"
	"\47" "Directory not empty\0" "\50" "Symbolic link loop\0" "\75" "No data available\0"
	"\107" "Protocol error\0" "\113" "Value too large for data type\0" "\130" "Not a socket\0"
	"\131" "Destination address required\0" "\132" "Message too large\0" "\134" "Protocol not available\0"
	"\135" "Protocol not supported\0" "\136" "Socket type not supported\0" "\137" "Not supported\0"
	"\141" "Address family not supported by protocol\0" "\142" "Address in use\0" "\143" "Address not available\0"
	"\145" "Network unreachable\0" "\147" "Connection aborted\0" "\150" "Connection reset by peer\0"
	"\151" "No buffer space available\0" "\152" "Socket is connected\0" "\153" "Socket not connected\0"
	"\154" "Cannot send after socket shutdown\0" "\156" "Operation timed out\0" "\157" "Connection refused\0"
	"\161" "Host is unreachable\0" "\162" "Operation already in progress\0" "\163" "Operation in progress\0"
	"\164" "Stale file handle\0" "\172" "Quota exceeded\0" "\175" "Operation canceled\0"
	"\176" "Required key not available\0" "\201" "Key was rejected by service\0";

char *
strerror(int number)
{
	static char other[24];

	for (const char *at = error_texts; *at; at += strlen(at) + 1)
		if ((unsigned char)*at == number)
			return (char *)(uintptr_t)(at + 1);
	snprintf(other, sizeof(other), "error %d", number);
	return other;
}

/* --- addresses --- */

static int
read_ipv4(const char *text, unsigned char *bytes)
{
	for (int i = 0; i < 4; i++) {
		const char *first = text;
		unsigned value = 0;

		while (*text >= '0' && *text <= '9' && text - first < 3)
			value = 10 * value + (unsigned)(*text++ - '0');
		if (text == first || (text - first > 1 && *first == '0') || value > 255)
			return 0;
		bytes[i] = (unsigned char)value;
		if (*text++ != (i < 3 ? '.' : '\0'))
			return 0;
	}
	return 1;
}

/* Up to eight groups of hexadecimal digits; "::" stands once for those that are left out, and the last two may be written as an
 * IPv4 address. */
static int
read_ipv6(const char *text, unsigned char bytes[16])
{
	size_t len = 0, gap = 16;

	if (*text == ':' && *++text != ':')
		return 0;
	memset(bytes, 0, 16);
	do {
		unsigned value = 0;
		int digits = 0;

		if (len == 16)
			return 0;
		if (*text == ':' && gap == 16) {
			gap = len;
			if (!*++text)
				break;
		}
		for (; digits < 4 && isxdigit((unsigned char)text[digits]); digits++)
			value = value << 4 | ((unsigned)(text[digits] & 15) + (text[digits] > '9' ? 9 : 0));
		if (text[digits] == '.') {
			if (len > 12 || !read_ipv4(text, bytes + len))
				return 0;
			len += 4;
			break;
		}
		text += digits;
		if (!digits || (*text && (*text != ':' || !text[1])))
			return 0;
		bytes[len++] = (unsigned char)(value >> 8);
		bytes[len++] = (unsigned char)value;
	} while (*text++);
	if (gap == 16)
		return len == 16;
	memmove(bytes + gap + 16 - len, bytes + gap, len - gap);
	memset(bytes + gap, 0, 16 - len);
	return len < 16;
}

int
inet_pton(int family, const char *restrict text, void *restrict address)
{
	return family == AF_INET ? read_ipv4(text, address) : read_ipv6(text, address);
}

/* The longest run of zero groups is left out, the first of equal ones. */
const char *
inet_ntop(int family, const void *restrict address, char *restrict text, socklen_t size)
{
	const unsigned char *bytes = address;
	size_t gap = 16, gap_len = 2, at = 0;

	if (family == AF_INET) {
		snprintf(text, size, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
		return text;
	}
	for (size_t i = 0, len; i < 16; i += len + 2) {
		for (len = 0; i + len < 16 && !bytes[i + len] && !bytes[i + len + 1]; len += 2)
			;
		if (len > gap_len) {
			gap = i;
			gap_len = len;
		}
	}
	for (size_t i = 0; i < 16; i += 2) {
		if (i == gap) {
			i += gap_len - 2;
			at += (size_t)snprintf(text + at, size - at, i == 14 ? "::" : ":");
		} else {
			at += (size_t)snprintf(text + at, size - at, i ? ":%x" : "%x", bytes[i] << 8 | bytes[i + 1]);
		}
	}
	return text;
}

#endif
