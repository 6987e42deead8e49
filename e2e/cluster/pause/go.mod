// The sandbox process of every pod; the standard library is all it needs.
module modelrelease.dev/testbed/pause

go 1.24
