/* environment.c - packs a command's environment. Knows the defaults, touches nothing. */
#include "environment.h"

#include <string.h>

#include "parcel.h"

static const struct {
	const char *name, *value;
} minimal[] = {
	{ "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
	{ "HOME", "/home/user" },
	{ "USER", "user" },
	{ "LANG", "C.UTF-8" },
	{ "TMPDIR", "/tmp" },
};

bool
environment_name_valid(struct str name)
{
	return name.len && !memchr(name.data, '=', name.len) && !str_has_nul(name);
}

static bool
given_later(struct str name, const struct variable *variables, size_t from, size_t len)
{
	for (size_t i = from; i < len; i++)
		if (str_eq(name, variables[i].name))
			return true;
	return false;
}

void
environment_pack(struct buf *parcel, const struct variable *variables, size_t len)
{
	for (size_t i = 0; i < sizeof(minimal) / sizeof(minimal[0]); i++) {
		struct str name = str_of(minimal[i].name);
		if (!given_later(name, variables, 0, len))
			parcel_env(parcel, name, str_of(minimal[i].value));
	}
	for (size_t i = 0; i < len; i++)
		if (!given_later(variables[i].name, variables, i + 1, len))
			parcel_env(parcel, variables[i].name, variables[i].value);
}
