package main

import (
	"regexp"
	"strconv"
	"time"
)

var clock = regexp.MustCompile(`\A([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})` +
	`(?:\.([0-9]{1,6}))?(Z|([+-])([0-9]{2}):([0-9]{2}))?\z`)

// utc is how an instant is written where it is compared as text, as `recorded_at` is.
const utc = "2006-01-02T15:04:05.000000Z"

// instant reads the time of an event, in UTC; statement.md, "Payload: the event" 3.
func instant(text string) (time.Time, error) {
	part := clock.FindStringSubmatch(text)
	if part == nil {
		return time.Time{}, refuse("envelope.time-malformed")
	}
	n := make([]int, len(part))
	for i := range part {
		n[i], _ = strconv.Atoi(part[i])
	}
	switch {
	case part[8] == "":
		return time.Time{}, refuse("envelope.time-without-offset")
	case part[8] == "-00:00":
		return time.Time{}, refuse("envelope.time-unknown-offset")
	case n[10] > 23 || n[11] > 59:
		return time.Time{}, refuse("envelope.time-malformed")
	case n[6] == 60:
		return time.Time{}, refuse("envelope.time-leap-second")
	}
	micro, _ := strconv.Atoi((part[7] + "000000")[:6])
	local := time.Date(n[1], time.Month(n[2]), n[3], n[4], n[5], n[6], micro*1000, time.UTC)
	if n[1] == 0 || local.Format("2006-01-02T15:04:05") != text[:19] {
		return time.Time{}, refuse("envelope.time-not-a-date")
	}
	offset := time.Duration(n[10])*time.Hour + time.Duration(n[11])*time.Minute
	if part[9] == "-" {
		offset = -offset
	}
	at := local.Add(-offset)
	if at.Year() < 1 || at.Year() > 9999 {
		return time.Time{}, refuse("envelope.time-not-a-date")
	}
	if at.Year() < 1850 || at.Year() > 2199 {
		return time.Time{}, refuse("envelope.time-out-of-range")
	}
	return at, nil
}
