package generate

import "strconv"

// Fields of X.411 that several specimens need.

// sayDomain is a GlobalDomainIdentifier: numeric or printable names, with or without a
// private domain.
func sayDomain(country, admd, prmd string) []byte {
	return el(0x63, sayNames(country, admd, prmd))
}

func sayNames(country, admd, prmd string) []byte {
	b := append(el(0x61, digits(country)), el(0x62, digits(admd))...)
	if prmd != "" {
		b = append(b, digits(prmd)...)
	}
	return b
}

// digits is a NumericString where s has nothing but digits and spaces, else a
// PrintableString.
func digits(s string) []byte {
	for _, r := range s {
		if r != ' ' && (r < '0' || r > '9') {
			return chars(tagPrintable, s)
		}
	}
	return chars(tagNumeric, s)
}

// mtsID is an MTSIdentifier of the domain where the specimens are at home.
func mtsID(tag byte, local string) []byte {
	return el(tag, sayDomain("XX", "SPECIMEN", "HOME"), chars(tagIA5, local))
}

// simple is an ORName with a personal name.
func simple(tag byte, surname string) []byte { return el(tag, plain(surname)) }

func plain(surname string) []byte {
	return seq(el(0x61, chars(tagPrintable, "XX")), el(0x62, chars(tagPrintable, "SPECIMEN")), el(0xa2, chars(tagPrintable, "HOME")),
		chars(0x83, "Collection"), el(0xa5, chars(0x80, surname)))
}

func attribute(number int, v []byte) []byte { return seq(integer(0x80, number), el(0xa1, v)) }

// pds is a PDSParameter with both of its strings.
func pds(printable, teletex string) []byte {
	return setOf(chars(tagPrintable, printable), chars(tagTeletex, t61(teletex)))
}

// standardName has each built-in attribute.
func standardName(tag byte) []byte {
	return el(tag,
		seq(el(0x61, chars(tagPrintable, "XX")), el(0x62, chars(tagPrintable, "SPECIMEN")), chars(0x80, "234215550001"), chars(0x81, "TERMINAL-ONE"),
			el(0xa2, chars(tagPrintable, "HOME")), chars(0x83, "Standard Attributes Ltd"), chars(0x84, "800900100"),
			el(0xa5, chars(0x80, "Builtin"), chars(0x81, "Bertha"), chars(0x82, "BXY"), chars(0x83, "Sr9")),
			el(0xa6, chars(tagPrintable, "Unit Most Significant"), chars(tagPrintable, "Unit Second"), chars(tagPrintable, "Unit Third"), chars(tagPrintable, "Unit Least"))),
		seq(seq(chars(tagPrintable, "favorite"), chars(tagPrintable, "printable dda value")), seq(chars(tagPrintable, "RFC-822"), chars(tagPrintable, "bertha(a)specimen.example"))))
}

// numericName has domains and a country of digits, and a directory name.
func numericName(tag byte) []byte {
	return el(tag,
		seq(el(0x61, chars(tagNumeric, "234")), el(0x62, chars(tagNumeric, "4567")), el(0xa2, chars(tagNumeric, "8899")), chars(0x84, "700600500")),
		el(0xa0, directory("C=XX", "O=Directory Ltd", "CN=Dora Directory")))
}

// postalName has the extension attributes of printable and teletex strings.
func postalName(tag byte) []byte {
	return el(tag, seq(el(0x61, chars(tagPrintable, "XX")), el(0x62, chars(tagPrintable, " "))),
		setOf(attribute(1, chars(tagPrintable, "Printable Common Name")),
			attribute(7, chars(tagPrintable, "Specimen Post")),
			attribute(8, chars(tagPrintable, "GB")),
			attribute(9, chars(tagPrintable, "SW1A 2AA")),
			attribute(10, pds("Office Name", "Büro Name")),
			attribute(11, pds("Office 4711", "Büro 4711")),
			attribute(12, pds("Address Components", "Adresse Größe")),
			attribute(13, pds("Person Physical", "Person Köln")),
			attribute(14, pds("Organization Physical", "Firma Köln")),
			attribute(15, pds("Delivery Components", "Hinterhaus Tür")),
			attribute(16, setOf(seq(chars(tagPrintable, "Line one of the address"), chars(tagPrintable, "Line two of the address")), chars(tagTeletex, t61("Zeile für Zeile")))),
			attribute(17, pds("Long Street 1", "Lange Straße 1")),
			attribute(18, pds("Box 5001", "Schließfach 5001")),
			attribute(19, pds("Restante London", "Postlagernd Köln")),
			attribute(20, pds("Unique Tower", "Einmaliger Bär")),
			attribute(21, pds("Local Attributes", "Ortsübliches")),
			attribute(22, seq(chars(0x80, "4420794600"), chars(0x81, "5566"))),
			attribute(23, integer(tagInteger, 5))))
}

// teletexName has what teletex strings say in place of printable ones.
func teletexName(tag byte) []byte {
	return el(tag, seq(el(0x61, chars(tagPrintable, "XX")), el(0x62, chars(tagPrintable, "SPECIMEN"))),
		setOf(attribute(2, chars(tagTeletex, t61("Gemeinsamer Näme"))),
			attribute(3, chars(tagTeletex, t61("Gesellschaft für Muster"))),
			attribute(4, setOf(chars(0x80, t61("Müllerin")), chars(0x81, t61("Jürgen")), chars(0x82, t61("JÅQ")), chars(0x83, t61("Ål9")))),
			attribute(5, seq(chars(tagTeletex, t61("Abteilung Süd")), chars(tagTeletex, t61("Gruppe Käse")))),
			attribute(6, seq(seq(chars(tagTeletex, "Raumart"), chars(tagTeletex, t61("Küche"))))),
			attribute(8, chars(tagNumeric, "234")),
			attribute(9, chars(tagNumeric, "50667")),
			attribute(22, el(0xa0, el(0xa0, chars(tagOctetString, "psel")), el(0xa1, chars(tagOctetString, "ssel")), el(0xa2, chars(tagOctetString, "tsel")),
				el(0xa3, setOf(chars(tagOctetString, "GnsapI"))))),
			attribute(23, integer(tagInteger, 8))))
}

// universalName has what universal strings say, of two and of four octets a character.
func universalName(tag byte) []byte {
	w := func(n int, s string) []byte { return wide(tagSet, n%2 == 0, "el", s) }
	list := [][]byte{
		attribute(24, w(24, "Κοινό Όνομα")),
		attribute(25, w(25, "Οργάνωση Δείγμα")),
		attribute(26, setOf(wide(0xa0, false, "el-GR", "Επώνυμο"), wide(0xa1, true, "el-GR", "Όνομα"), wide(0xa2, false, "el-GR", "ΑΒΓΔ"), wide(0xa3, true, "el-GR", "Νέ9"))),
		attribute(27, seq(w(1, "Μονάδα Πρώτη"), w(2, "Μονάδα Δεύτερη"))),
		attribute(28, seq(seq(w(1, "Τύπος"), w(2, "Τιμή Τομέα")))),
	}
	for i, s := range []string{"Γραφείο", "Αριθμός", "Συστατικά", "Πρόσωπο", "Εταιρεία", "Παράδοση", "Αμορφοποίητη", "Οδός Σταδίου", "Θυρίδα", "Ρεστάντ", "Μοναδικό", "Τοπικά"} {
		list = append(list, attribute(29+i, w(29+i, s+" "+strconv.Itoa(29+i))))
	}
	return el(tag, seq(el(0x61, chars(tagPrintable, "XX")), el(0x62, chars(tagPrintable, "SPECIMEN"))), setOf(list...))
}

// terminalName has one of the other terminal types (X.402 18.3.25).
func terminalName(tag byte, typ int) []byte {
	return el(tag, seq(el(0x61, chars(tagPrintable, "XX")), el(0x62, chars(tagPrintable, "SPECIMEN")), chars(0x80, "23421777"+strconv.Itoa(typ)), chars(0x81, "TID"+strconv.Itoa(typ))),
		setOf(attribute(23, integer(tagInteger, typ))))
}

// ext is an ExtensionField of a standard extension.
func ext(number int, critical []int, v []byte) []byte {
	b := integer(0x80, number)
	if critical != nil {
		b = append(b, bits(0x81, 0, critical...)...)
	}
	return seq(b, el(0xa2, v))
}

func private(dotted string, v []byte) []byte { return seq(oid(0x83, dotted), el(0xa2, v)) }

func enumerated(n int) []byte { return integer(tagEnumerated, n) }

// securityLabel is a SecurityLabel with categories; class is its classification.
func securityLabel(tag byte, class int, mark string) []byte {
	return el(tag, oid(tagOID, "1.2.826.0.1.99.6"+strconv.Itoa(class)), integer(tagInteger, class), chars(tagPrintable, mark),
		setOf(seq(oid(0x80, "1.2.826.0.1.99.71"), el(0xa1, chars(tagPrintable, "category "+mark))),
			seq(oid(0x80, "1.2.826.0.1.99.72"), el(0xa1, integer(tagInteger, 4000+class)))))
}

// token is a Token with an AsymmetricToken; to is its name and signed its signed-data.
func token(tag byte, to []byte, signed []byte) []byte {
	return el(tag, oid(0x80, "2.6.3.6.0"), el(0xa1, seq(
		seq(algorithm(tagSequence, "1.2.840.113549.1.1.5"), to, stamp(tagUTCTime, "960402080910"), el(0xa0, signed),
			algorithm(0xa1, "1.2.840.113549.1.1.1"), octets(0x82, "encrypted data of a token")),
		algorithm(tagSequence, "1.2.840.113549.1.1.14"), octets(tagBitString, "signature of a token"))))
}

// messageToken is a token of a message: MessageTokenSignedData.
func messageToken() []byte {
	return token(tagSequence, simple(0x60, "Tokenrecipient"), append(integer(0x80, 2), el(0xa1, seq(
		algorithm(0xa0, "1.3.14.3.2.7"), signature(0xa1, "1.3.14.3.2.15", "integrity check in a token"), securityLabel(0xa2, 3, "MARK IN TOKEN"),
		integer(0x83, 1), integer(0x84, 271828)))...))
}

// openToken is one whose MessageTokenEncryptedData its sender forgot to encrypt.
func openToken() []byte {
	return token(tagSequence, simple(0x60, "Opentokenrecipient"), append(integer(0x80, 3), el(0xa1, seq(
		octets(0x80, "UNSPOKEN confidentiality key"), signature(0xa1, "1.3.14.3.2.16", "check in an open token"), securityLabel(0xa2, 4, "MARK IN OPEN TOKEN"),
		octets(0x83, "UNSPOKEN integrity key"), integer(0x84, 314159)))...))
}

// bindToken is one of strong credentials, with a random number or an EXTERNAL as its data.
func bindToken(encrypted bool) []byte {
	mta := el(0xa3, sayDomain("XX", "SPECIMEN", "TOKENHOME"), chars(tagIA5, "mta-of-token"))
	if encrypted {
		return token(0xa0, mta, append(integer(0x80, 4), el(0xa1, external(contextMTSE, octets(tagBitString, "UNSPOKEN external")))...))
	}
	return token(0xa0, mta, append(integer(0x80, 1), el(0xa1, octets(tagBitString, "UNSPOKEN random number"))...))
}

// issuedAssertion is a CertificateAssertion (X.509 12.7.2).
func issuedAssertion(tag byte, serial int) []byte {
	return el(tag, integer(0x80, serial), el(0xa1, directory("C=XX", "CN=Issuer "+strconv.Itoa(serial))), chars(0x82, "keyid "+strconv.Itoa(serial)),
		el(0xab, directory("C=XX", "CN=Subject "+strconv.Itoa(serial))))
}

func selectorsOf(first int) []byte {
	return setOf(issuedAssertion(0xa0, first), issuedAssertion(0xa1, first+1), issuedAssertion(0xa2, first+2), issuedAssertion(0xa3, first+3), issuedAssertion(0xa4, first+4))
}

// historyOf is a SEQUENCE of names and times.
func historyOf(names ...[]byte) []byte {
	var parts [][]byte
	for i, n := range names {
		parts = append(parts, seq(n, stamp(tagUTCTime, "96040210010"+strconv.Itoa(i))))
	}
	return seq(parts...)
}

func redirections(name string) []byte {
	var parts [][]byte
	for reason := range 5 {
		parts = append(parts, seq(seq(simple(0x60, name+strconv.Itoa(reason)), stamp(tagUTCTime, "96040211020"+strconv.Itoa(reason))), enumerated(reason)))
	}
	return seq(parts...)
}

// eits is EncodedInformationTypes with each built-in type and extended ones.
func eits(tag byte, first int, built ...int) []byte {
	return el(tag, bits(0x80, 0, built...), el(0xa4, oid(tagOID, "2.6.3.4.2"), oid(tagOID, "1.0.10021.7.1.0."+strconv.Itoa(first)), oid(tagOID, "1.2.826.0.1.99.4."+strconv.Itoa(first))))
}

// trace is TraceInformation under the tag.
func traceOf(tag byte) []byte {
	return el(tag,
		seq(sayDomain("XX", "SPECIMEN", "HOME"), setOf(stamp(0x80, "960401120001"), integer(0x82, 0))),
		seq(sayDomain("234", "4567", "8899"), setOf(stamp(0x80, "960401120112"), stamp(0x81, "960401110000"), integer(0x82, 1), sayDomain("XX", "ATTEMPTED", "DOMAIN"),
			eits(0x65, 91, 2, 5), bits(0x83, 0, 0))),
		seq(sayDomain("GB", "SECOND", ""), setOf(stamp(0x80, "960401120223"), integer(0x82, 0), bits(0x83, 0, 1))))
}

func internalTrace() []byte {
	return seq(
		seq(sayDomain("XX", "SPECIMEN", "HOME"), chars(tagIA5, "mta-first"), setOf(stamp(0x80, "960401120002"), integer(0x82, 0))),
		seq(sayDomain("XX", "SPECIMEN", "HOME"), chars(tagIA5, "mta-second"), setOf(stamp(0x80, "960401120033"), stamp(0x81, "960401113000"), integer(0x82, 1),
			chars(tagIA5, "mta-attempted"), eits(0x65, 92, 3), bits(0x83, 0, 0, 1))),
		seq(sayDomain("XX", "SPECIMEN", "HOME"), chars(tagIA5, "mta-third"), setOf(stamp(0x80, "960401120044"), integer(0x82, 1), sayDomain("XX", "ATTEMPTED", "INTERNAL"))))
}

// messageExtensionsAll are those of a message.
func messageExtensionsAll() [][]byte {
	return [][]byte{
		ext(1, []int{0, 1, 2}, enumerated(1)), ext(3, []int{2}, enumerated(1)), ext(4, []int{1}, enumerated(1)), ext(5, []int{2}, stamp(tagUTCTime, "960405060708")),
		ext(13, nil, seq(plain("Returnaddress"))), ext(15, nil, certificate(tagSequence, 151515)), ext(17, []int{2}, algorithm(tagSequence, "1.3.14.3.2.9")),
		ext(19, []int{2}, signature(tagSequence, "1.3.14.3.2.24", "origin authentication check")), ext(20, []int{2}, securityLabel(tagSet, 5, "EYES ONLY MARK")),
		ext(23, nil, chars(tagIA5, "correlator in IA5")), ext(26, nil, historyOf(simple(0x60, "Expandedone"), simple(0x60, "Expandedtwo"))),
		ext(37, nil, traceOf(0x69)), ext(38, nil, internalTrace()),
		ext(40, nil, setOf(el(0xa0, directory("C=XX", "CN=Directory Entry")), certificate(0xa1, 404040))),
		ext(42, nil, setOf(simple(0x60, "Exemptone"), numericName(0x60))), ext(45, nil, selectorsOf(45001)),
		private("1.2.826.0.1.99.5", seq(integer(tagInteger, 555666), chars(tagIA5, "private extension"))),
	}
}

// recipientExtensionsAll are those of a recipient of a message.
func recipientExtensionsAll(mode int) [][]byte {
	return [][]byte{
		ext(2, []int{0}, simple(0x60, "Alternaterecipient")), ext(6, nil, seq(integer(tagInteger, 1), integer(tagInteger, 2+mode), integer(tagInteger, 9))),
		ext(7, []int{2}, enumerated(1)), ext(8, []int{2}, enumerated(1)), ext(9, []int{2}, bits(tagBitString, 0, mode, 7)), ext(10, []int{2}, integer(tagInteger, 2)),
		ext(11, []int{2}, chars(tagTeletex, t61("Advice to Köln 0221 471"))), ext(12, []int{2}, oid(tagOID, "2.6.5.0.0")), ext(14, []int{2}, integer(tagInteger, 3)),
		ext(16, []int{2}, messageToken()), ext(18, []int{2}, signature(tagSequence, "1.3.14.3.2.18", "content integrity check")), ext(22, []int{2}, enumerated(1)),
		ext(25, nil, redirections("Redirected")), ext(28, nil, certificate(tagSequence, 282828)), ext(46, nil, setOf(issuedAssertion(0xa0, 46001))),
	}
}

func bilateralOf() []byte {
	return el(0xa1,
		seq(el(0x61, chars(tagPrintable, "XX")), el(0x62, chars(tagPrintable, "BILATERAL")), chars(tagIA5, "agreed with the administration")),
		seq(el(0x61, chars(tagNumeric, "234")), seq(el(0xa0, chars(tagPrintable, "TWOSIDED")), el(0xa1, chars(tagPrintable, "PRIVATEDOMAIN"))), chars(tagIA5, "agreed with the private domain")),
		seq(el(0x61, chars(tagPrintable, "GB")), seq(el(0xa0, chars(tagNumeric, "7654")), el(0xa1, chars(tagNumeric, "3210"))), chars(tagIA5, "agreed in digits")))
}

// transferRecipient is a PerRecipientMessageTransferFields.
func transferRecipient(name []byte, number int, indicators []int, conversion int, extensions ...[]byte) []byte {
	parts := [][]byte{name, integer(0x80, number), bits(0x81, 8, indicators...)}
	if conversion >= 0 {
		parts = append(parts, integer(0x82, conversion))
	}
	if len(extensions) > 0 {
		parts = append(parts, el(0xa3, extensions...))
	}
	return setOf(parts...)
}

// faxContent is an interpersonal message (P22) whose body part is a facsimile with each non-basic parameter,
// and a teletex one with its own (X.420 7.3.3, 7.3.5, X.411 8.5.6).
func faxContent() []byte {
	all := make([]int, 72)
	for i := range all {
		all[i] = i
	}
	heading := setOf(el(0x6b, chars(tagPrintable, "fax-ipm-1")), el(0xa8, chars(tagTeletex, "Facsimile of the Specimen")))
	g3 := el(0xa3, setOf(integer(0x80, 1), bits(0x81, 0, all...)), seq(octets(tagBitString, "page of a facsimile")))
	teletex := el(0xa5, setOf(integer(0x80, 1), yes(0x81), el(0xa2,
		chars(0x80, "graphic sets"), chars(0x81, "control sets"), chars(0x82, "page formats"), chars(0x83, "capabilities"), chars(0x84, "private use"))),
		seq(chars(tagTeletex, "page of teletex")))
	return el(0xa0, heading, seq(g3, teletex))
}

// message is a Message with everything.
func messageAPDU() []byte {
	envelope := setOf(mtsID(0x64, "message.0001"), standardName(0x60), eits(0x65, 101, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), integer(0x46, 22), chars(0x4a, "Message CID"),
		integer(0x47, 2), bits(0x48, 0, 0, 1, 2, 3, 7), stamp(0x80, "960403040506"), bilateralOf(), traceOf(0x69), el(0xa3, messageExtensionsAll()...),
		el(0xa2,
			transferRecipient(numericName(0x60), 1, []int{0, 1, 2, 3, 4}, 8, recipientExtensionsAll(0)...),
			transferRecipient(postalName(0x60), 2, []int{2, 4}, 9, recipientExtensionsAll(1)...),
			transferRecipient(teletexName(0x60), 3, []int{1, 3}, 10, recipientExtensionsAll(2)...),
			transferRecipient(universalName(0x60), 4, []int{0, 4}, 11, append(recipientExtensionsAll(3), ext(16, []int{2}, openToken()))...),
			transferRecipient(terminalName(0x60, 3), 5, []int{0}, 12, recipientExtensionsAll(4)...),
			transferRecipient(terminalName(0x60, 4), 6, []int{0}, 13, recipientExtensionsAll(5)...),
			transferRecipient(terminalName(0x60, 6), 7, []int{0}, 14, recipientExtensionsAll(6)...),
			transferRecipient(terminalName(0x60, 7), 8, []int{0}, 16, ext(9, nil, bits(tagBitString, 0, 0, 1, 2, 3, 4, 5, 6, 7)))))
	return el(0xa0, envelope, el(tagOctetString, faxContent()))
}

// otherMessage has the other alternatives: an extended content type, and forms of the other edition.
func otherMessage(reserved ...int) []byte {
	envelope := setOf(el(0x64, sayDomain("262", "4567", "8899"), chars(tagIA5, "message.0002")), numericName(0x60), el(0x65, bits(0x80, 0, 0)), oid(tagOID, "1.2.826.0.1.99.34"),
		integer(0x47, 1), bits(0x48, 0, reserved...), traceOf(0x69),
		el(0xa3, ext(23, nil, chars(tagOctetString, "correlator in octets")), ext(39, nil, seq(sayDomain("XX", "SPECIMEN", "NAMING"), chars(tagIA5, "mta-naming")))),
		el(0xa2, transferRecipient(simple(0x60, "Otherrecipient"), 1, append([]int{0, 2}, reserved...), -1)))
	return el(0xa0, envelope, el(tagOctetString, chars(tagIA5, "a content that no standard knows")))
}

// probeAPDU is a Probe with everything.
func probeAPDU() []byte {
	return el(0xa2, mtsID(0x64, "probe.0001"), standardName(0x60), eits(0x65, 102, 2, 5), integer(0x46, 2), chars(0x4a, "Probe CID"), integer(0x80, 987654),
		bits(0x48, 0, 2), bilateralOf(), traceOf(0x69),
		el(0xa3, ext(1, nil, enumerated(1)), ext(15, nil, certificate(tagSequence, 151516)), ext(20, nil, securityLabel(tagSet, 2, "PROBE MARK")),
			ext(23, nil, chars(tagIA5, "correlator of a probe")), ext(24, []int{2}, signature(tagSequence, "1.3.14.3.2.25", "probe authentication check")), ext(38, nil, internalTrace())),
		el(0xa2, transferRecipient(simple(0x60, "Probedrecipient"), 1, []int{0, 1, 3}, 17,
			ext(2, nil, simple(0x60, "Probedalternate")), ext(6, nil, seq(integer(tagInteger, 2))), ext(12, nil, oid(tagOID, "2.6.5.0.1")), ext(25, nil, redirections("Probedbefore")))))
}

// reportAPDU is a Report with everything.
func reportAPDU() []byte {
	envelope := setOf(mtsID(0x64, "report.0001"), standardName(0x60), traceOf(0x69),
		el(0xa1, ext(20, nil, securityLabel(tagSet, 1, "REPORT MARK")), ext(25, nil, redirections("Reportredirected")),
			ext(30, nil, historyOf(simple(0x60, "Originatorofhistory"), simple(0x60, "Listofhistory"))), ext(31, nil, simple(0x60, "Reportinglist")),
			ext(32, nil, certificate(tagSequence, 323232)), ext(33, []int{2}, signature(tagSequence, "1.3.14.3.2.26", "report authentication check")), ext(38, nil, internalTrace()),
			ext(39, nil, seq(sayDomain("XX", "SPECIMEN", "REPORTING"), chars(tagIA5, "mta-reporting"), el(0xa0, directory("C=XX", "CN=Reporting MTA"))))))
	reported := func(n int, name []byte, report []byte, extensions ...[]byte) []byte {
		parts := [][]byte{name, integer(0x81, n), bits(0x82, 8, 0, 1, 3), el(0xa3, stamp(0x80, "96040412120"+strconv.Itoa(n)), eits(0x65, 110+n, 2), el(0xa1, report)),
			el(0xa4, plain("Intended"+strconv.Itoa(n))), chars(0x85, "Supplement number "+strconv.Itoa(n))}
		if len(extensions) > 0 {
			parts = append(parts, el(0xa6, extensions...))
		}
		return setOf(parts...)
	}
	delivered := func(at string, user int) []byte { return el(0xa0, stamp(0x80, at), integer(0x81, user)) }
	failed := func(reason, diagnostic int) []byte { return el(0xa1, integer(0x80, reason), integer(0x81, diagnostic)) }
	content := setOf(mtsID(0x64, "subject.0001"), traceOf(0x69), eits(0x65, 103, 2), integer(0x46, 22), chars(0x4a, "Subject CID"),
		el(0xa0,
			reported(1, simple(0xa0, "Deliveredone"), delivered("960404131313", 1), ext(25, nil, redirections("Deliveredbefore")), ext(27, nil, simple(0x60, "Physicalforward")),
				ext(28, nil, certificate(tagSequence, 282829)), ext(29, nil, signature(tagSequence, "1.3.14.3.2.27", "proof of delivery"))),
			reported(2, simple(0xa0, "Deliveredtwo"), delivered("960404141414", 4)),
			reported(3, simple(0xa0, "Faileduser"), failed(1, 0)), reported(4, simple(0xa0, "Failedagain"), failed(8, 78))),
		el(0x81, faxContent()), el(0xa2, chars(tagPrintable, "additional billing data")),
		el(0xa3, ext(23, nil, chars(tagIA5, "correlator of the subject"))))
	return el(0xa1, envelope, content)
}

// rtorq is an RTORQ (X.228 9): data is its connection data.
func rtorq(checkpoint, window, mode int, data []byte) []byte {
	return el(0xb0, integer(0x80, checkpoint), integer(0x81, window), integer(0x82, mode), el(0xa3, data))
}

func rtoac(checkpoint, window int, data []byte) []byte {
	return el(0xb1, integer(0x80, checkpoint), integer(0x81, window), el(0xa2, data))
}

// information is ACSE's user-information with one value of a context.
func information(context int, v []byte) []byte {
	return el(0xbe, el(tagExternal, oid(tagOID, oidBER), integer(tagInteger, context), el(0xa0, v)))
}

// aarqAll is an AARQ with everything (X.227 9.1); titles are of the first form, or of the second.
func aarqAll(context, user []byte) []byte {
	return el(0x60, bits(0x80, 0, 0), el(0xa1, context),
		el(0xa2, directory("C=XX", "O=Called", "CN=Called Title")), el(0xa3, setOf(seq(oid(tagOID, "2.5.4.3"), chars(tagPrintable, "Called Qualifier")))),
		el(0xa4, integer(tagInteger, 7001)), el(0xa5, integer(tagInteger, 7002)),
		el(0xa6, oid(tagOID, "1.2.826.0.1.99.81")), el(0xa7, integer(tagInteger, 7003)), el(0xa8, integer(tagInteger, 7004)), el(0xa9, integer(tagInteger, 7005)),
		bits(0x8a, 0, 0, 1, 2, 3), oid(0x8b, "2.2.3.1"), el(0xac, chars(0x80, "UNSPOKEN of ACSE")),
		el(0xad, oid(tagOID, "1.2.826.0.1.99.82"), oid(tagOID, "2.6.0.1.6")), chars(0x9d, "Specimen implementation 1"),
		el(0xae, el(0xa0, seq(seq(integer(tagInteger, 7007), oid(tagOID, "1.2.826.0.1.99.83"), seq(oid(tagOID, "1.2.826.0.1.99.84")))))),
		el(0xaf, seq(el(0xa0, integer(tagInteger, 7008)), el(0xa1, integer(tagInteger, 77)))), el(0xb0, seq(el(0xa0, chars(tagPrintable, "Inner Qualifier")), el(0xa1, integer(tagInteger, 78)))),
		user)
}

// aareAll is an AARE with everything (X.227 9.2).
func aareAll(context []byte, result int, diagnostic, user []byte) []byte {
	return el(0x61, bits(0x80, 0, 0), el(0xa1, context), el(0xa2, integer(tagInteger, result)), el(0xa3, diagnostic),
		el(0xa4, chars(tagPrintable, "Responding Title")), el(0xa5, chars(tagPrintable, "Responding Qualifier")), el(0xa6, integer(tagInteger, 7011)), el(0xa7, integer(tagInteger, 7012)),
		bits(0x88, 0, 0, 2), oid(0x89, "2.2.3.2"), el(0xaa, octets(0x81, "UNSPOKEN bits of ACSE")), el(0xab, oid(tagOID, "1.2.826.0.1.99.85")), chars(0x9d, "Specimen implementation 2"),
		el(0xac, seq(integer(0x80, 2), oid(0x81, "1.2.826.0.1.99.86"), integer(0x82, 1))),
		el(0xad, seq(el(0xa1, integer(tagInteger, 79)))), el(0xae, seq(el(0xa1, integer(tagInteger, 80)))), user)
}

func aarqOf(dotted string, user []byte) []byte { return el(0x60, el(0xa1, oid(tagOID, dotted)), user) }

func aareOf(dotted string, result int, diagnostic, user []byte) []byte {
	return el(0x61, el(0xa1, oid(tagOID, dotted)), el(0xa2, integer(tagInteger, result)), el(0xa3, diagnostic), user)
}

func byUser(n int) []byte     { return el(0xa1, integer(tagInteger, n)) }
func byProvider(n int) []byte { return el(0xa2, integer(tagInteger, n)) }

// offer is one presentation context.
type offer struct {
	id  int
	oid string
}

var transferOffers = []offer{{contextACSE, oidACSE}, {contextRTSE, oidRTSE}, {contextMTSE, oidMTSE}}

// cpOf is a CP PPDU of normal mode, cpaOf a CPA and cprOf a CPR (X.226 8.2).
func cpOf(offers []offer, apdu []byte) []byte {
	var list [][]byte
	for _, o := range offers {
		list = append(list, seq(integer(tagInteger, o.id), oid(tagOID, o.oid), seq(oid(tagOID, oidBER))))
	}
	return setOf(el(0xa0, integer(0x80, 1)), el(0xa2, chars(0x81, "calling-p"), chars(0x82, "called-p"), el(0xa4, list...), value(contextACSE, apdu)))
}

func resultsOf(offers []offer) []byte {
	var list [][]byte
	for range offers {
		list = append(list, seq(integer(0x80, 0), oid(0x81, oidBER)))
	}
	return el(0xa5, list...)
}

func cpaOf(offers []offer, apdu []byte) []byte {
	return setOf(el(0xa0, integer(0x80, 1)), el(0xa2, chars(0x83, "responding-p"), resultsOf(offers), value(contextACSE, apdu)))
}

func cprOf(offers []offer, apdu []byte) []byte {
	return seq(resultsOf(offers), value(contextACSE, apdu))
}

// mtaBind is an authenticated MTABindArgument or -Result.
func mtaBind(name string, credentials []byte, contexts ...[]byte) []byte {
	parts := [][]byte{chars(0x80, name), el(0xa1, credentials)}
	if len(contexts) > 0 {
		parts = append(parts, el(0xa2, contexts...))
	}
	return el(0xa1, parts...)
}

func opened(tag byte, bind []byte) []byte { return el(0xa0, el(tag, bind)) }

// strong is strong credentials with a bind token.
func strong(encrypted bool, serial int) []byte {
	return el(0xa0, bindToken(encrypted), certificate(0xa1, serial), issuedAssertion(0xa2, serial+1))
}

// protected is a protected password.
func protected() []byte {
	return el(0xa1, signature(tagSequence, "1.3.14.3.2.28", "UNSPOKEN signature"), stamp(0x80, "960401010101"), stamp(0x81, "960401020202"),
		octets(0x82, "UNSPOKEN random one"), octets(0x83, "UNSPOKEN random two"))
}

var transferSpecimens = []specimen{
	{"transfer of everything", true, func(s *stage) {
		s.connect(unitsRTSE, cpOf(transferOffers, aarqAll(oid(tagOID, oidTransfer), information(contextRTSE,
			rtorq(7, 5, 1, opened(0xb0, mtaBind("mta-initiating", strong(false, 111111), securityLabel(tagSet, 3, "CONTEXT MARK"), securityLabel(tagSet, 4, "SECOND CONTEXT"))))))))
		s.accept(unitsRTSE, cpaOf(transferOffers, aareAll(oid(tagOID, oidTransfer), 0, byUser(0), information(contextRTSE,
			rtoac(7, 5, opened(0xb1, mtaBind("mta-responding", strong(true, 222222))))))))
		s.mts(client, messageAPDU())
		s.mts(client, probeAPDU())
		s.mts(server, reportAPDU())
		s.mts(client, otherMessage())
		s.release(el(0x62, integer(0x80, 30), el(0xad, integer(tagInteger, 7021)), integer(0x8e, 81)), el(0x63, integer(0x80, 1), el(0xad, integer(tagInteger, 7022)), integer(0x8e, 82)))
	}},
	{"transfer in pieces, and recovered", true, func(s *stage) {
		session := el(0xa1, chars(tagOctetString, "old-association"), stamp(tagUTCTime, "960401110000"), chars(0x80, "additional-reference"))
		s.connect(unitsRTSE, cpOf(transferOffers, aarqOf(oidTransfer, information(contextRTSE, rtorq(3, 2, 0, session)))))
		s.accept(unitsRTSE, cpaOf(transferOffers, aareOf(oidTransfer, 0, byUser(0), information(contextRTSE, rtoac(3, 2, session)))))
		apdu := external(contextMTSE, otherMessage(4, 5, 6, 7))
		s.transfer(client, apdu[:100], apdu[100:200], apdu[200:])
		s.abort(server, abrt(el(0x64, integer(0x80, 0), integer(0x81, 1), information(contextRTSE,
			el(0xb6, integer(0x80, 6), el(0xa2, chars(tagIA5, "user data of an abort")))))))
	}},
	{"transfer without authentication, aborted", true, func(s *stage) {
		s.connect(unitsRTSE, cpOf(transferOffers, aarqOf(oidTransfer, information(contextRTSE, rtorq(0, 3, 0, opened(0xb0, none()))))))
		s.accept(unitsRTSE, cpaOf(transferOffers, aareOf(oidTransfer, 0, byUser(0), information(contextRTSE, rtoac(0, 3, opened(0xb1, none()))))))
		s.abort(client, abrt(el(0x64, integer(0x80, 1), integer(0x81, 2), el(0xad, setOf(seq(oid(tagOID, "2.5.4.3"), chars(tagPrintable, "Aborting Qualifier")))), integer(0x8e, 83), information(contextRTSE,
			el(0xb6, integer(0x80, 1), octets(0x81, "reflected"))))))
	}},
	{"transfer in X.410-1984 mode", false, func(s *stage) {
		s.connect(unitsRTSE, setOf(el(0xa0, integer(0x80, 0)), el(0xa1, integer(0x80, 4), integer(0x81, 6), integer(0x82, 0),
			el(0xa3, el(0xa0, mtaBind("mta-of-1984", chars(tagIA5, "UNSPOKEN of 1984")))), integer(0x84, 1))))
		s.accept(unitsRTSE, setOf(el(0xa0, integer(0x80, 0)), el(0xa1, integer(0x80, 4), integer(0x81, 6),
			el(0xa2, el(0xa0, mtaBind("mta-of-1984-too", chars(tagIA5, "UNSPOKEN of 1984 too")))))))
		s.mts(client, otherMessage())
		s.abort(client, setOf(integer(0x80, 7)))
	}},
	{"recovery in X.410-1984 mode", false, func(s *stage) {
		session := el(0xa1, chars(tagTeletex, "association-of-1984"), stamp(tagUTCTime, "840401110000"))
		s.connect(unitsRTSE, setOf(el(0xa0, integer(0x80, 0)), el(0xa1, el(0xa3, session), integer(0x84, 12))))
		s.accept(unitsRTSE, setOf(el(0xa0, integer(0x80, 0)), el(0xa1, el(0xa2, session))))
		s.abort(client, setOf(integer(0x80, 3)))
	}},
}

// abrt is an ARU PPDU with an ABRT in it.
func abrt(apdu []byte) []byte {
	return el(0xa0, el(0xa0, seq(integer(tagInteger, contextACSE), oid(tagOID, oidBER)), seq(integer(tagInteger, contextRTSE), oid(tagOID, oidBER))), value(contextACSE, apdu))
}

// refusedSpecimens are binds that are refused, for every reason.
var refusedSpecimens = func() (list []specimen) {
	for _, code := range []int{0, 2, 3, 4, 5} {
		list = append(list, specimen{"bind refused by the MTA " + strconv.Itoa(code), true, func(s *stage) {
			s.connect(unitsRTSE, cpOf(transferOffers, aarqOf(oidTransfer, information(contextRTSE,
				rtorq(0, 3, 0, opened(0xb0, mtaBind("mta-refused-"+strconv.Itoa(code), chars(tagOctetString, "UNSPOKEN octets"))))))))
			s.refuse(cprOf(transferOffers, aareOf(oidTransfer, 1, byUser(1), information(contextRTSE, el(0xb2, el(0xa1, el(0xb2, integer(tagInteger, code))))))))
		}})
	}
	for reason := range 4 {
		list = append(list, specimen{"refused in X.410-1984 mode " + strconv.Itoa(reason), false, func(s *stage) {
			s.connect(unitsRTSE, setOf(el(0xa0, integer(0x80, 0)), el(0xa1, el(0xa3, el(0xa0, mtaBind("mta-1984-refused", chars(tagIA5, "UNSPOKEN")))), integer(0x84, 12))))
			s.refuse(setOf(integer(0x80, reason)))
		}})
	}
	for i, d := range [][]byte{byUser(2), byUser(3), byUser(13), byProvider(1), byProvider(2)} {
		list = append(list, specimen{"refused by ACSE " + strconv.Itoa(i), true, func(s *stage) {
			s.connect(unitsRTSE, cpOf(transferOffers, el(0x60, el(0xa1, oid(tagOID, "1.2.826.0.1.99.87")), el(0xa2, oid(tagOID, "1.2.826.0.1.99.89")), el(0xa3, chars(tagOctetString, "Octet Qualifier")),
				el(0xac, el(0xa3, oid(tagOID, "1.2.826.0.1.99.88"), chars(tagIA5, "UNSPOKEN other"))),
				el(0xae, el(0xa1, seq(seq(oid(0x80, "1.2.826.0.1.99.90"), oid(0x81, "1.2.826.0.1.99.91"))))))))
			s.refuse(cprOf(transferOffers, aareOf("1.2.826.0.1.99.87", 1+i%2, d, nil)))
		}})
	}
	return list
}()
