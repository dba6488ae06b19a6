package main

// disclosure opens one sealed member; sealed-members.md, "Disclosure".
type disclosure struct {
	text, digest, salt, name string
	value                    any
}

const longestDisclosure = 40960

var (
	isSalt   = whole(`[A-Za-z0-9_-]{22,128}`)
	isDigest = isKid
)

func isReserved(name string) bool { return name == "_sd" || name == "..." }

func readDisclosure(text string) (*disclosure, error) {
	if len(text) > longestDisclosure {
		return nil, refuse("sealed.too-large")
	}
	data, err := base64url(text)
	if err != nil {
		return nil, err
	}
	value, err := readJSON(data, usual)
	if err != nil {
		return nil, err
	}
	list, isList := value.([]any)
	if !isList || len(list) != 3 {
		return nil, refuse("sealed.malformed")
	}
	salt, isText := list[0].(string)
	name, isToo := list[1].(string)
	if !isText || !isToo {
		return nil, refuse("sealed.malformed")
	}
	if !isSalt(salt) {
		return nil, refuse("sealed.salt")
	}
	if isReserved(name) {
		return nil, refuse("sealed.reserved-name")
	}
	if holdsReserved(list[2]) {
		return nil, refuse("sealed.nested")
	}
	return &disclosure{text, sha256url(text), salt, name, list[2]}, nil
}

// holdsReserved says whether an object, however deep, has a member `_sd` or `...`.
func holdsReserved(value any) bool {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			if holdsReserved(element) {
				return true
			}
		}
	case *object:
		for _, name := range v.names {
			if isReserved(name) || holdsReserved(v.values[name]) {
				return true
			}
		}
	}
	return false
}

// digests reads `data._sd`; sealed-members.md, "In the event" 1.
func digests(data *object) ([]string, error) {
	if data.has("...") {
		return nil, refuse("sealed.reserved-name")
	}
	for _, name := range data.names {
		if name != "_sd" && holdsReserved(data.values[name]) {
			return nil, refuse("sealed.nested")
		}
	}
	if !data.has("_sd") {
		return nil, nil
	}
	list, isList := data.values["_sd"].([]any)
	if !isList || len(list) > 64 {
		return nil, refuse("sealed.digests")
	}
	found := []string{}
	seen := map[string]bool{}
	for _, element := range list {
		digest, isText := element.(string)
		if !isText || !isDigest(digest) || seen[digest] {
			return nil, refuse("sealed.digests")
		}
		seen[digest] = true
		found = append(found, digest)
	}
	return found, nil
}

// open adds to `data` what disclosures disclose, and tells the digests that stay closed.
func open(data *object, texts []string) (*object, []string, error) {
	signed, err := digests(data)
	if err != nil {
		return nil, nil, err
	}
	length := 0
	for _, text := range texts {
		length += len(text)
	}
	if len(texts) > 64 || length > longestDisclosure {
		return nil, nil, refuse("sealed.too-large")
	}
	opened := newObject()
	for _, name := range data.names {
		if name != "_sd" {
			opened.set(name, data.values[name])
		}
	}
	used := map[string]bool{}
	for _, text := range texts {
		d, err := readDisclosure(text)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case used[d.digest]:
			return nil, nil, refuse("sealed.duplicate")
		case !contains(signed, d.digest):
			return nil, nil, refuse("sealed.unknown-digest")
		case opened.has(d.name):
			return nil, nil, refuse("sealed.name-clash")
		}
		used[d.digest] = true
		opened.set(d.name, d.value)
	}
	closed := []string{}
	for _, digest := range signed {
		if !used[digest] {
			closed = append(closed, digest)
		}
	}
	return opened, closed, nil
}

func contains(list []string, text string) bool {
	for _, element := range list {
		if element == text {
			return true
		}
	}
	return false
}
