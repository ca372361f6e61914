/* format.c - printf's formats, as far as this program uses them
 *
 * No long double, no wide characters, no positions: a tenth of a whole one. libc.c makes it snprintf and its kind. */
#include "format.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { DIGITS_MAX = 24 };

struct out {
	char *text;
	size_t room, len;		/* len may be above room: what was not kept counts */
};

struct conversion {
	bool left, zero;
	int width, precision;		/* precision: -1 where none is given */
	char length;			/* 0, or h l j z t; L for ll, H for hh */
};

struct arguments {
	va_list list;
};

static void
put(struct out *out, const char *text, size_t n)
{
	if (out->len < out->room)
		memcpy(out->text + out->len, text, n < out->room - out->len ? n : out->room - out->len);
	out->len += n;
}

static void
pad(struct out *out, char c, size_t n)
{
	while (n--)
		put(out, &c, 1);
}

/* A sign (or none) and a text, as wide as is asked for. */
static void
put_wide(struct out *out, const struct conversion *as, const char *sign, const char *text, size_t n)
{
	size_t len = strlen(sign) + n, width = as->width > 0 ? (size_t)as->width : 0;
	size_t fill = width > len ? width - len : 0;

	if (!as->left && !as->zero)
		pad(out, ' ', fill);
	put(out, sign, strlen(sign));
	if (!as->left && as->zero)
		pad(out, '0', fill);
	put(out, text, n);
	if (as->left)
		pad(out, ' ', fill);
}

/* Writes digits before `end`, at least `least` (1) of them. Returns where they begin. */
static char *
digits(char *end, uint64_t value, unsigned base, bool upper, int least)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";

	do {
		*--end = set[value % base];
		value /= base;
	} while (--least > 0 || value);
	return end;
}

static uint64_t
take_integer(const struct conversion *as, struct arguments *arguments, bool is_signed)
{
	switch (as->length) {
	case 'l':
		return va_arg(arguments->list, unsigned long);
	case 'L':
	case 'j':
		return va_arg(arguments->list, unsigned long long);
	case 'z':
	case 't':
		return va_arg(arguments->list, size_t);
	}
	int value = va_arg(arguments->list, int);
	if (as->length == 'h')
		return is_signed ? (uint64_t)(short)value : (uint64_t)(unsigned short)value;
	if (as->length == 'H')
		return is_signed ? (uint64_t)(signed char)value : (uint64_t)(unsigned char)value;
	return is_signed ? (uint64_t)value : (uint64_t)(unsigned)value;
}

static void
put_integer(struct out *out, const struct conversion *as, struct arguments *arguments, char type)
{
	char text[DIGITS_MAX];
	bool is_signed = type == 'd' || type == 'i';
	uint64_t value = take_integer(as, arguments, is_signed);
	bool negative = is_signed && (int64_t)value < 0;
	unsigned base = type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
	char *at = digits(text + sizeof(text), negative ? -value : value, base, type == 'X', 1);

	put_wide(out, as, negative ? "-" : "", at, (size_t)(text + sizeof(text) - at));
}

static void
put_string(struct out *out, struct conversion *as, const char *text)
{
	if (!text)
		text = "(null)";
	as->zero = false;
	put_wide(out, as, "", text, as->precision < 0 ? strlen(text) : strnlen(text, (size_t)as->precision));
}

static int
take_number(const char **format, struct arguments *arguments)
{
	int value = 0;

	if (**format == '*') {
		++*format;
		return va_arg(arguments->list, int);
	}
	while (**format >= '0' && **format <= '9' && value < INT_MAX / 10 - 9)
		value = value * 10 + (*(*format)++ - '0');
	return value;
}

static struct conversion
take_conversion(const char **format, struct arguments *arguments)
{
	struct conversion as = { .precision = -1 };
	const char *at = *format;

	for (;; at++) {
		if (*at == '-')
			as.left = true;
		else if (*at == '0')
			as.zero = true;
		else
			break;
	}
	as.width = take_number(&at, arguments);
	if (as.width < 0) {
		as.left = true;
		as.width = as.width < -INT_MAX ? 0 : -as.width;
	}
	if (*at == '.') {
		at++;
		as.precision = take_number(&at, arguments);
	}
	if (*at && strchr("hljzt", *at)) {
		as.length = *at++;
		if (*at == as.length && (*at == 'l' || *at == 'h'))
			as.length = *at++ == 'l' ? 'L' : 'H';
	}
	*format = at;
	return as;
}

/* Behind a '%'. Returns where the format goes on. */
static const char *
convert(struct out *out, const char *format, struct arguments *arguments)
{
	const char *begin = format;
	struct conversion as = take_conversion(&format, arguments);
	char c;

	switch (*format) {
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		put_integer(out, &as, arguments, *format);
		break;
	case 's':
		put_string(out, &as, va_arg(arguments->list, const char *));
		break;
	case 'c':
		c = (char)va_arg(arguments->list, int);
		put_wide(out, &as, "", &c, 1);
		break;
	case '%':
		put(out, "%", 1);
		break;
	default:
		put(out, begin - 1, 1);
		return begin;
	}
	return format + 1;
}

int
format_text(char *text, size_t size, const char *format, va_list given)
{
	struct out out = { text, size ? size - 1 : 0, 0 };
	struct arguments arguments;

	va_copy(arguments.list, given);
	while (*format) {
		size_t n = strcspn(format, "%");
		put(&out, format, n);
		format += n;
		if (*format)
			format = convert(&out, format + 1, &arguments);
	}
	va_end(arguments.list);
	if (size)
		text[out.len < out.room ? out.len : out.room] = '\0';
	return out.len <= INT_MAX ? (int)out.len : -1;
}
