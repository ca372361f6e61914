/* buf.c - bytes: a borrowed string, and a growing buffer with a hard maximum
 *
 * The lowest room of the house: it knows memory and the two encodings that nearly everyone above
 * needs (base64 and UTF-8), and touches nothing but what its callers hand it. */
#include "buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format.h"

enum { BUF_SIZE_MIN = 64, READ_SIZE = 4096 };

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a base64 digit plus one, so that what is not named here is 0: no digit. From '+' to 'z'. */
#define AT(digit) [(digit) - '+']
static const unsigned char base64_values['z' - '+' + 1] = {
	AT('A') = 1,  AT('B') = 2,  AT('C') = 3,  AT('D') = 4,  AT('E') = 5,  AT('F') = 6,  AT('G') = 7,
	AT('H') = 8,  AT('I') = 9,  AT('J') = 10, AT('K') = 11, AT('L') = 12, AT('M') = 13, AT('N') = 14,
	AT('O') = 15, AT('P') = 16, AT('Q') = 17, AT('R') = 18, AT('S') = 19, AT('T') = 20, AT('U') = 21,
	AT('V') = 22, AT('W') = 23, AT('X') = 24, AT('Y') = 25, AT('Z') = 26, AT('a') = 27, AT('b') = 28,
	AT('c') = 29, AT('d') = 30, AT('e') = 31, AT('f') = 32, AT('g') = 33, AT('h') = 34, AT('i') = 35,
	AT('j') = 36, AT('k') = 37, AT('l') = 38, AT('m') = 39, AT('n') = 40, AT('o') = 41, AT('p') = 42,
	AT('q') = 43, AT('r') = 44, AT('s') = 45, AT('t') = 46, AT('u') = 47, AT('v') = 48, AT('w') = 49,
	AT('x') = 50, AT('y') = 51, AT('z') = 52, AT('0') = 53, AT('1') = 54, AT('2') = 55, AT('3') = 56,
	AT('4') = 57, AT('5') = 58, AT('6') = 59, AT('7') = 60, AT('8') = 61, AT('9') = 62, AT('+') = 63,
	AT('/') = 64,
};

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

struct str str_of(const char *text)
{
	return text ? (struct str){ text, strlen(text) } : STR("");
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool str_is(struct str a, const char *text)
{
	return str_eq(a, str_of(text));
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.data[i]) != lower(b.data[i]))
			return false;
	return true;
}

bool str_is_nocase(struct str a, const char *text)
{
	return str_eq_nocase(a, str_of(text));
}

bool str_begins(struct str a, const char *prefix)
{
	struct str b = str_of(prefix);

	return a.len >= b.len && str_eq((struct str){ a.data, b.len }, b);
}

struct str str_skip(struct str a, size_t n)
{
	return (struct str){ a.data + n, a.len - n };
}

struct str str_until(struct str a, const char *ends)
{
	for (size_t n = 0; n < a.len; n++)
		for (const char *end = ends; *end; end++)
			if (*end == a.data[n])
				return (struct str){ a.data, n };
	return a;
}

uint64_t str_hash(struct str a)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < a.len; i++)
		hash = (hash ^ (unsigned char)a.data[i]) * 0x100000001b3u;
	return hash;
}

bool byte_is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int byte_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_has_nul(struct str a)
{
	return a.len > 0 && memchr(a.data, '\0', a.len) != NULL;
}

int str_to_u64(struct str a, uint64_t max, uint64_t *value)
{
	uint64_t sum = 0;
	bool above = false;

	if (a.len == 0)
		return -EINVAL;
	/* All of it is looked at before it is too large: "99…9x" is no number. */
	for (size_t i = 0; i < a.len; i++) {
		if (a.data[i] < '0' || a.data[i] > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(a.data[i] - '0'), &sum))
			above = true;
	}
	if (above || sum > max)
		return -ERANGE;
	*value = sum;
	return 0;
}

uint64_t text_number(const char **text)
{
	uint64_t sum = 0;
	const char *at = *text;

	while (*at == ' ')
		at++;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(*at - '0'), &sum))
			sum = UINT64_MAX;
	*text = at;
	return sum;
}

const char *text_at(const char *texts, size_t n)
{
	while (n--)
		texts += strlen(texts) + 1;
	return texts;
}

int text_pread(int fd, char *text, size_t size)
{
	ssize_t n;

	do
		n = pread(fd, text, size - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return (int)n;
}

int text_read(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int result = text_pread(fd, text, size);
	close(fd);
	return result;
}

int text_write(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	int error = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return error;
}

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max };
}

void buf_free(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

int buf_reserve(struct buf *buf, size_t n)
{
	size_t size;
	char *data;

	if (n <= buf->size - buf->len)
		return 0;
	if (n > buf->max - buf->len)
		return -ENOSPC;
	size = buf->size > buf->max / 2 ? buf->max : buf->size * 2;
	if (size < BUF_SIZE_MIN)
		size = BUF_SIZE_MIN < buf->max ? BUF_SIZE_MIN : buf->max;
	if (size < buf->len + n)
		size = buf->len + n;
	data = realloc(buf->data, size);
	if (!data)
		return -ENOMEM;
	buf->data = data;
	buf->size = size;
	return 0;
}

/* Reserves for an append: here a failure is remembered. */
static int append_room(struct buf *buf, size_t n)
{
	int error = buf_reserve(buf, n);

	if (error)
		buf->failed = true;
	return error;
}

int buf_append(struct buf *buf, const void *data, size_t n)
{
	int error = append_room(buf, n);

	if (error)
		return error;
	if (n > 0)
		memcpy(buf->data + buf->len, data, n);
	buf->len += n;
	return 0;
}

int buf_append_str(struct buf *buf, struct str text)
{
	return buf_append(buf, text.data, text.len);
}

int buf_puts(struct buf *buf, const char *text)
{
	return buf_append_str(buf, str_of(text));
}

int buf_putc(struct buf *buf, char c)
{
	return buf_append(buf, &c, 1);
}

/* Appends a text of n bytes that the buffer may have room for, but not for the NUL which vsnprintf
 * wants behind it. */
__attribute__((format(printf, 3, 0)))
static int append_formatted(struct buf *buf, size_t n, const char *format, va_list args)
{
	int error = append_room(buf, n);
	char *text;

	if (error)
		return error;
	if (n < buf->size - buf->len) {
		vsnprintf(buf->data + buf->len, n + 1, format, args);
		buf->len += n;
		return 0;
	}
	text = malloc(n + 1);
	if (!text) {
		buf->failed = true;
		return -ENOMEM;
	}
	vsnprintf(text, n + 1, format, args);
	error = buf_append(buf, text, n);
	free(text);
	return error;
}

NO_DOUBLES
int buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args, again;
	int n, error;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	if (n < 0) {
		buf->failed = true;
		error = -EINVAL;
	} else {
		error = append_formatted(buf, (size_t)n, format, again);
	}
	va_end(again);
	va_end(args);
	return error;
}

int buf_read(struct buf *buf, int fd)
{
	ssize_t n;

	do {
		int error = append_room(buf, READ_SIZE);

		if (error)
			return error;
		n = read(fd, buf->data + buf->len, buf->size - buf->len - 1);
		if (n > 0)
			buf->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	buf->data[buf->len] = '\0';
	return n < 0 ? -errno : 0;
}

void buf_consume(struct buf *buf, size_t n)
{
	if (n > buf->len)
		n = buf->len;
	buf->len -= n;
	if (n > 0 && buf->len > 0)
		memmove(buf->data, buf->data + n, buf->len);
}

struct str buf_str(const struct buf *buf)
{
	return buf->len ? (struct str){ buf->data, buf->len } : STR("");
}

int buf_base64_encode(struct buf *out, struct str data)
{
	const unsigned char *in = (const unsigned char *)data.data;
	size_t n;
	char *to;
	int error;

	if (__builtin_mul_overflow(data.len / 3 + (data.len % 3 != 0), 4, &n))
		n = SIZE_MAX;	/* what no buffer takes */
	error = append_room(out, n);
	if (error || n == 0)
		return error;
	to = out->data + out->len;
	for (size_t left = data.len; left > 0; left -= left < 3 ? left : 3, in += 3, to += 4) {
		uint32_t bits = (uint32_t)in[0] << 16;

		if (left > 1)
			bits |= (uint32_t)in[1] << 8;
		if (left > 2)
			bits |= in[2];
		to[0] = base64_digits[bits >> 18];
		to[1] = base64_digits[bits >> 12 & 0x3f];
		to[2] = left > 1 ? base64_digits[bits >> 6 & 0x3f] : '=';
		to[3] = left > 2 ? base64_digits[bits & 0x3f] : '=';
	}
	out->len += n;
	return 0;
}

/* Four digits, of which the last `pads` are '=', to 3 - pads bytes. False where they are not
 * canonical: a foreign digit, or bits set that no byte comes from. */
static bool base64_group(const unsigned char *in, size_t pads, char *to)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4 - pads; i++) {
		unsigned char value = in[i] >= '+' && in[i] <= 'z' ? base64_values[in[i] - '+'] : 0;

		if (value == 0)
			return false;
		bits |= (uint32_t)(value - 1) << (18 - 6 * i);
	}
	for (size_t i = 0; i < 3 - pads; i++)
		to[i] = (char)(bits >> (16 - 8 * i) & 0xff);
	return (bits & ((UINT32_C(1) << 8 * pads) - 1)) == 0;
}

int buf_base64_decode(struct buf *out, struct str text)
{
	const unsigned char *in = (const unsigned char *)text.data;
	size_t groups = text.len / 4, pads = 0, n;
	char *to;
	int error;

	if (text.len % 4 != 0)
		return -EINVAL;
	if (text.len == 0)
		return 0;
	if (in[text.len - 1] == '=')
		pads = in[text.len - 2] == '=' ? 2 : 1;
	n = groups * 3 - pads;
	error = append_room(out, n);
	if (error)
		return error;
	/* What is written here becomes content only when all of it was valid. */
	to = out->data + out->len;
	for (; groups > 1; groups--, in += 4, to += 3)
		if (!base64_group(in, 0, to))
			return -EINVAL;
	if (!base64_group(in, pads, to))
		return -EINVAL;
	out->len += n;
	return 0;
}

/* The length of a sequence by its first byte, and the range of its second byte, where overlong
 * forms, surrogates and what is beyond U+10FFFF are told (RFC 3629, section 4). */
static size_t utf8_first(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef) {
		if (first == 0xe0)
			*low = 0xa0;
		if (first == 0xed)
			*high = 0x9f;
		return 3;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		if (first == 0xf0)
			*low = 0x90;
		if (first == 0xf4)
			*high = 0x8f;
		return 4;
	}
	return 0;
}

size_t utf8_sequence(struct str text)
{
	const unsigned char *in = (const unsigned char *)text.data;
	unsigned char low, high;
	size_t n;

	if (text.len == 0)
		return 0;
	n = utf8_first(in[0], &low, &high);
	if (n > text.len)
		return 0;
	for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf)
		if (in[i] < low || in[i] > high)
			return 0;
	return n;
}

static bool eight_ascii(const char *data)
{
	uint64_t eight;

	memcpy(&eight, data, 8);
	return (eight & UINT64_C(0x8080808080808080)) == 0;
}

bool utf8_valid(struct str text)
{
	while (text.len > 0) {
		/* Most text is ASCII: eight bytes of it at a time. */
		size_t n = text.len >= 8 && eight_ascii(text.data) ? 8 : utf8_sequence(text);

		if (n == 0)
			return false;
		text.data += n;
		text.len -= n;
	}
	return true;
}
