// Deutsch. The same sentences as the English modules have, part by part; the types see to it that none is missing.
import type { texts } from '../texts.ts';
import type { adminTexts } from './admin.ts';
import type { door } from './door.ts';
import type { keySheet } from './keys.ts';
import { count } from './language.ts';
import type { menuTexts } from './menus.ts';
import type { outbox } from './outbox.ts';
import type { reading } from './reading.ts';
import type { settings } from './settings.ts';
import type { telling } from './telling.ts';
import type { writing } from './writing.ts';

/** Every part of the texts. */
export interface Parts {
  core: typeof texts; admin: typeof adminTexts; door: typeof door; keys: typeof keySheet; menus: typeof menuTexts; outbox: typeof outbox; reading: typeof reading;
  settings: typeof settings; telling: typeof telling; writing: typeof writing;
}

const changes = (n: number): string => count(n, 'Änderung', 'Änderungen');

export const de: Parts = {
  core: {
    product: 'Restante',
    you: 'Sie', youInList: 'Sie', nobodyInList: 'niemand', furtherInList: (n) => `${n} weitere`, nobody: '(ohne Absender)', noSubject: '(ohne Betreff)',
    unnamed: 'unbenannte Datei', close: 'Schließen', cancel: 'Abbrechen', undo: 'Rückgängig', tryAgain: 'Noch einmal', save: 'Sichern', remove: 'Entfernen',
    nav: {
      label: 'Postfächer', inbox: 'Eingang', asked: 'Wartet auf Sie', asker: 'Sie warten auf', drafts: 'Entwürfe', scheduled: 'Geplant', sent: 'Gesendet',
      archive: 'Archiv', junk: 'Spam', trash: 'Papierkorb', snoozed: 'Zurückgestellt', folders: 'Ordner', settings: 'Einstellungen', admin: 'Verwaltung', menu: 'Menü öffnen', write: 'Schreiben',
      back: 'Zurück zur Liste', signOut: 'Abmelden', skip: 'Zu den Nachrichten springen',
      unread: (n) => count(n, 'ungelesene Nachricht', 'ungelesene Nachrichten'), waiting: (n) => count(n, 'offene Frage', 'offene Fragen'),
    },
    sync: {
      live: 'Auf dem neuesten Stand', checked: (time) => `Geprüft um ${time}`, connecting: 'Verbindung wird aufgebaut', catchingUp: 'Wird nachgeholt',
      offline: 'Offline', retryIn: (seconds) => `Neuer Versuch in ${seconds} s`, retryNow: 'Neuer Versuch',
    },
    list: {
      label: 'Nachrichten', all: 'Alle', unread: 'Ungelesen', starred: 'Markiert', filter: 'Nachrichten durchsuchen',
      filterHint: 'Suchen, etwa from:ines has:file', clearFilter: 'Suche leeren', select: 'Nachrichten auswählen', stopSelecting: 'Auswahl beenden',
      selected: (n) => `${n} ausgewählt`, everything: 'Alles ausgewählt', selectEverything: 'Alles auswählen, auch was nicht geladen ist', to: (names) => `An: ${names}`,
      noneAnswered: (open) => `Noch ohne Antwort: ${open}`, allAnswered: (done) => `Beantwortet von ${done}`, someAnswered: (done, open) => `Beantwortet von ${done}, noch nicht von ${open}`,
      hasAttachment: 'Mit Anhang', starredRow: 'Markiert', more: 'Weitere Nachrichten werden geladen', end: 'Das ist alles', loading: 'Nachrichten werden geladen',
      notified: (who) => `${who} wartet auf Ihre Antwort`, arrived: (n) => `${count(n, 'neue Nachricht', 'neue Nachrichten')} eingetroffen`, resize: 'Breite der Liste',
      unreadRow: 'Ungelesen', countRow: (n) => count(n, 'Nachricht', 'Nachrichten'),
    },
    groups: {
      waiting: 'Wartet auf Sie', woken: 'Wieder da', deadline: 'Nächste Frist zuerst', today: 'Heute', yesterday: 'Gestern', week: 'Diese Woche', lastWeek: 'Letzte Woche',
    },
    pills: {
      by: (time) => `Antwort bis ${time}`, noDeadline: 'Ohne Frist', late: 'Zu spät', delayed: 'Verzögert', failed: 'Nicht zugestellt',
      held: 'Angehalten', waiting: 'Wartet', scheduled: 'Geplant', draft: 'Entwurf', snoozed: (time) => `Bis ${time}`,
    },
    empty: {
      inbox: ['Hier ist nichts', 'Neue Nachrichten erscheinen von selbst, von Menschen und von Diensten.'],
      asked: ['Niemand wartet auf Sie', 'Hier stehen Fragen von Menschen und Diensten, mit der Zeit, bis zu der sie eine Antwort brauchen.'],
      asker: ['Sie warten auf niemanden', 'Ihre Fragen bleiben hier, bis sie beantwortet sind.'],
      unread: ['Alles ist gelesen', 'Ungelesene Nachrichten erscheinen hier.'],
      starred: ['Nichts markiert', 'Mit s bleibt eine Nachricht griffbereit.'],
      sent: ['Noch nichts gesendet', 'Hier steht, was Sie senden, und wie weit jede Kopie gekommen ist.'],
      trash: ['Der Papierkorb ist leer', 'Gelöschte Nachrichten bleiben hier, bis Sie sie endgültig löschen.'],
      drafts: ['Keine Entwürfe', 'Was Sie schreiben, bleibt hier, bis Sie es senden.'],
      snoozed: ['Nichts zurückgestellt', 'Mit h kommt eine Nachricht wieder, wenn es Ihnen passt.'],
      scheduled: ['Nichts geplant', 'Nachrichten, die später gesendet werden, warten hier.'],
      filter: ['Keine Nachricht passt', 'from:, to:, subject:, label:, before:2026-01-31, is:unread und has:file grenzen eine Suche ein; ein - davor kehrt sie um.'],
      other: ['Hier ist nichts', 'Nachrichten, die Sie in dieses Postfach verschieben, stehen hier.'],
      thread: ['Keine Nachricht geöffnet', 'Wählen Sie eine aus der Liste, oder drücken Sie c, um zu schreiben.'],
    },
    actions: {
      label: 'Aktionen', archive: 'Archivieren', delete: 'Löschen', deleteForever: 'Endgültig löschen', read: 'Als gelesen markieren', unread: 'Als ungelesen markieren', star: 'Markieren', unstar: 'Markierung entfernen',
      move: 'Verschieben', snooze: 'Zurückstellen', label_: 'Etikett', reply: 'Antworten', replyAll: 'Allen antworten', forward: 'Weiterleiten', keys: 'Tasten',
      snoozed: (what, time) => `${what} zurückgestellt bis ${time}`, labelled: (what, label) => `${what} mit dem Etikett ${label} versehen`, unlabelled: (what, label) => `Etikett ${label} von ${what} entfernt`, junk: 'Spam', mute: 'Stummschalten', unmute: 'Nicht mehr stumm', muted: (what) => `${what} stummgeschaltet`, unmuted: (what) => `${what} ist nicht mehr stumm`, toInbox: 'In den Eingang', previous: 'Vorige', next: 'Nächste', clear: 'Auswahl aufheben',
      position: (at, of, more) => `${at} von ${of}${more ? '+' : ''}`,
      archived: (what) => `${what} archiviert`, deleted: (what) => `${what} in den Papierkorb verschoben`, destroyed: (what) => `${what} endgültig gelöscht`,
      moved: (what, where) => `${what} verschoben nach ${where}`, markedRead: (what) => `${what} als gelesen markiert`,
      markedUnread: (what) => `${what} als ungelesen markiert`, starred: (what) => `${what} markiert`, unstarred: (what) => `Markierung von ${what} entfernt`,
      all: (n) => (n === null ? 'Alles Gefundene' : `Alle ${n} Nachrichten`), one: (subject) => `„${subject}“`, many: (n) => count(n, 'Unterhaltung', 'Unterhaltungen'), undone: 'Rückgängig gemacht',
      failed: (detail) => `Nicht geändert. ${detail}`, nothing: 'Hier ist nichts zu ändern.',
      destroyTitle: 'Endgültig löschen?', destroyText: (what) => `${what} kann danach nicht mehr zurückgeholt werden.`,
    },
    search: { terms: 'Wonach gesucht wird', only: (box) => `Nur in ${box}`, remove: (term) => `${term} entfernen`, add: (term) => `${term} hinzufügen`, labels: 'Etiketten' },
    outbox: {
      waiting: (n) => `${changes(n)} ${n === 1 ? 'wartet' : 'warten'}`, sending: (n) => `${changes(n)} ${n === 1 ? 'wird' : 'werden'} gesendet`, refusedCount: (n) => `${changes(n)} nicht ausgeführt`,
      refused: (op) => (op.failed?.code === 'changed_elsewhere' ? `${op.title} wurde inzwischen anderswo geändert. Dabei bleibt es.` : `Nicht geändert: ${op.title}. ${op.failed?.detail ?? ''}`),
      open: 'Zeigen, was wartet', queued: 'Geht hinaus, sobald die Verbindung wieder da ist', offline: 'Offline. Was schon gelesen wurde, ist noch da.',
    },
    sent: {
      later: (time) => `Geht ${time} hinaus`, to: (names) => `Gesendet an ${names}`, takenBack: 'Zurückgenommen. Der Entwurf ist wieder offen.', tooLate: 'Sie ist schon gesendet.', wrote: (when, who) => `Am ${when} schrieb ${who}:`,
    },
    error: {
      offline: 'Der Server ist nicht erreichbar.', stopped: 'Das Hochladen wurde abgebrochen.', answered: (status) => `Der Server antwortete mit ${status}.`, unexpected: 'Auf dieser Seite ist etwas schiefgegangen. Laden Sie sie neu, um fortzufahren.', reload: 'Neu laden', notFound: ['Diese Seite gibt es nicht', 'Vielleicht ist die Adresse vertippt.'], list: (detail) => `Die Liste konnte nicht geladen werden. ${detail}`,
    },
    problems: {
      already_settled: 'Diese Frage ist schon entschieden.', already_answered: 'Diese Frage haben Sie schon beantwortet.', already_sent: 'Sie ist schon gesendet.', not_found: 'Das gibt es hier nicht.',
      insufficient_scope: 'Das darf dieses Konto nicht.', rate_limited: 'Zu viele Anfragen. Versuchen Sie es später noch einmal.', storage_full: 'Der Speicher des Servers ist voll.', body_too_large: 'Das ist zu groß.', message_too_large: 'Die Nachricht ist zu groß.', address_taken: 'Diese Adresse gehört schon einem anderen Konto.',
    },
    time: {
      tomorrow: (clock) => `morgen ${clock}`, yesterday: (clock) => `gestern ${clock}`, at: (clock) => ` um ${clock}`, other: (moment) => `, ${moment}`,
      over: 'vorbei', left: (span) => `in ${span}`, days: (n) => count(n, 'Tag', 'Tage'), seconds: (n) => `${n} s`, minutes: (n) => `${n} min`, hours: (n) => `${n} h`,
    },
  },
  admin: {
    title: 'Verwaltung', accounts: 'Konten', queue: 'Warteschlange', suppressions: 'Gesperrte Adressen', name: 'Name', address: 'Adresse', kind: 'Art', kinds: { person: 'Mensch', service: 'Dienst' },
    password: 'Kennwort zum Anmelden', mayAdmin: 'Darf verwalten', create: 'Konto anlegen', created: (address) => `${address} hat jetzt ein Konto.`, admin: 'Verwalter', more: 'Mehr zeigen',
    queueEmpty: 'Niemandem wird etwas geschuldet.', queueHint: 'Was noch zuzustellen ist, von allen Konten, ohne den Inhalt.', tries: (n) => count(n, 'Versuch', 'Versuche'), next: (time) => `nächster Versuch ${time}`, refresh: 'Noch einmal nachsehen',
    explain: 'Erklären', explainThat: (who) => `${who} erklären`, since: (time) => `Wartet seit ${time}`, notTried: 'Noch nicht versucht.', lastTry: (time, why) => `Der letzte Versuch war ${time}: ${why}.`, remote: 'Geantwortet hat', account: 'Konto', answer: 'Antwort', kindOf: 'Art', owed: { mail: 'Nachricht', notice: 'Hinweis', webhook: 'Webhook', push: 'Meldung', timer: 'Uhr', task: 'Aufgabe' },
    sendingTitle: 'Zurzeit geht nichts hinaus.', sendingRestored: 'Eine Sicherung wurde eingespielt: Was wartet, ist vielleicht schon gesendet worden.', sendingAsked: 'Jemand hat es angehalten.', sendingHint: 'Post an fremde Adressen, Hinweise und Webhooks warten; was hier zugestellt wird, geht weiter.', pause: 'Senden anhalten', resume: 'Wieder senden',
    suppressionsHint: 'Adressen, die Post endgültig abgewiesen haben: Ihnen wird nichts gesendet, bis sie von der Liste genommen werden.', noSuppressions: 'Keine Adresse ist gesperrt.', lift: 'Von der Liste nehmen', liftThat: (address) => `${address} von der Liste nehmen`,
    failed: (detail) => `Nicht ausgeführt. ${detail}`,
    act: { retry: 'Jetzt versuchen', hold: 'Anhalten', release: 'Freigeben', cancel: 'Zurücknehmen' }, actThat: (what, who) => `${what}: ${who}`, acted: { retry: 'Es wird jetzt versucht.', hold: 'Es wartet, bis es freigegeben wird.', release: 'Es wird wieder versucht.', cancel: 'Es ist zurückgenommen.' }, notActed: 'Es ist inzwischen erledigt, oder wird gerade versucht.',
    cancelTitle: 'Dies zurücknehmen?', cancelText: (who) => `Was für ${who} bestimmt war, wird nicht mehr gesendet. Der Absender erfährt es.`,
    domains: 'Domänen', domainsHint: 'Post an Adressen dieser Domänen ist für Konten hier.', mainDomain: 'Haupt', signed: 'unterschrieben', unsigned: 'nicht unterschrieben', domainName: 'Domäne', addDomain: 'Domäne hinzufügen', domainAdded: (name) => `${name} gehört jetzt zu uns. Tragen Sie die Einträge ins DNS ein.`, makeKey: 'Schlüssel anlegen', makeKeyThat: (name) => `Schlüssel anlegen für ${name}`,
    records: 'DNS-Einträge', recordsThat: (name) => `DNS-Einträge von ${name}`, check: 'Prüfen', checkThat: (name) => `${name} prüfen`, checking: 'Wird nachgesehen', checkState: { good: 'Gut', doubtful: 'Zweifelhaft', bad: 'Fehlt' },
    audit: 'Protokoll', auditHint: 'Wer was mit Konten, Zugängen und diesem Server getan hat. Es wird 400 Tage aufgehoben.', auditAll: 'Alles', auditOnly: 'Zeigen', noAudit: 'Noch nichts getan.', commandLine: 'An der Befehlszeile', nobodyKnown: 'Jemand', from: (peer) => `von ${peer}`,
    did: {
      'session.created': 'Angemeldet', 'session.refused': 'Falsches Kennwort', 'session.revoked': 'Sitzung beendet', 'password.changed': 'Kennwort geändert', 'token.created': 'Schlüssel angelegt', 'token.revoked': 'Schlüssel widerrufen', 'account.created': 'Konto angelegt',
      'domain.added': 'Domäne hinzugefügt', 'key.forgotten': 'Schlüssel der Domäne entfernt', 'suppression.created': 'Adresse gesperrt', 'suppression.changed': 'Sperre geändert', 'suppression.removed': 'Sperre aufgehoben',
      'queue.retry': 'Versuch verlangt', 'queue.hold': 'Angehalten', 'queue.release': 'Freigegeben', 'queue.cancel': 'Zurückgenommen', 'sending.paused': 'Senden angehalten', 'sending.resumed': 'Senden fortgesetzt',
    },
  },
  door: {
    signIn: {
      title: 'Anmelden', lead: 'Post, die auf Sie wartet, und Antworten, auf die andere warten.', address: 'Adresse', password: 'Kennwort', submit: 'Anmelden', busy: 'Anmeldung läuft', wrong: 'Diese Adresse und dieses Kennwort gehören nicht zusammen. Prüfen Sie beides.',
      throttled: (seconds) => `Zu viele Versuche. Versuchen Sie es ${seconds === null ? 'später' : `in ${count(seconds, 'Sekunde', 'Sekunden')}`} noch einmal.`, ended: 'Ihre Sitzung ist zu Ende. Melden Sie sich an, um fortzufahren.',
    },
    setup: {
      title: 'Restante einrichten', lead: 'Damit entsteht das erste Konto. Es darf Post lesen und senden und sich um die anderen kümmern.', name: 'Ihr Name', address: 'Adresse', addressHint: 'Wohin andere schreiben, zum Beispiel ana@example.org.', password: 'Kennwort',
      passwordHint: 'Mindestens 12 Zeichen. Am besten ein paar ungewöhnliche Wörter.', short: 'Das Kennwort braucht mindestens 12 Zeichen.', submit: 'Konto anlegen', busy: 'Wird angelegt', invalid: ['Dieser Link gilt nicht mehr', 'Ein Link zum Einrichten gilt einmal. Hat noch niemand ein Konto, starten Sie den Server neu: Er zeigt einen neuen an.'], checking: 'Der Link wird geprüft', show: 'Kennwort zeigen',
    },
    confirm: {
      forwarding: { title: 'Adresse bestätigen', text: (address) => `Post für dieses Konto geht auch an ${address}.`, submit: 'Bestätigen', done: ['Bestätigt', 'Neue Post geht von jetzt an auch an diese Adresse.'] },
      reply: { title: 'Ist diese Antwort von Ihnen?', text: (address) => `Sie kam von anderswo an eine Adresse, die nur ${address} bekommen hat. Ist sie von Ihnen, bestätigen Sie es, und sie gilt als Ihre Antwort.`, submit: 'Sie ist von mir', done: ['Bestätigt', 'Sie gilt jetzt als Ihre Antwort.'] },
      invalid: ['Dieser Link gilt nicht mehr', 'Fordern Sie unter Einstellungen, Weiterleitung einen neuen an.'],
      go: 'Zum Eingang',
    },
  },
  keys: {
    title: 'Tasten', off: 'Einzelne Tasten sind in den Einstellungen abgeschaltet.',
    groups: [
      ['Bewegen', [['j k', 'Nächste, vorige'], ['Enter', 'Öffnen'], ['u', 'Zurück zur Liste'], ['g i', 'Eingang'], ['g q', 'Wartet auf Sie'], ['g w', 'Sie warten auf'], ['g s', 'Zurückgestellt'], ['g t', 'Gesendet'], ['g d', 'Entwürfe'], ['g a', 'Archiv'], ['/', 'Suchen']]],
      ['Handeln', [['e', 'Archivieren'], ['#', 'Löschen'], ['s', 'Markieren'], ['v', 'Verschieben'], ['h', 'Zurückstellen'], ['l', 'Etikett'], ['!', 'Spam'], ['m', 'Stummschalten'], ['Shift+I', 'Als gelesen markieren'], ['Shift+U', 'Als ungelesen markieren'], ['x', 'Auswählen'], ['Shift+J Shift+K', 'Auswählen beim Bewegen'], ['Ctrl+A', 'Alles auswählen, zweimal auch, was nicht geladen ist'], ['z', 'Rückgängig']]],
      ['Schreiben', [['c', 'Neue Nachricht'], ['r', 'Antworten'], ['a', 'Allen antworten'], ['f', 'Weiterleiten'], ['Ctrl+Enter', 'Senden']]],
      ['Fragen beantworten', [['y', 'Erste Antwort der Frage'], ['n', 'Zweite Antwort, wenn es zwei gibt'], ['1 to 9', 'Diese Antwort, wenn es mehr gibt']]],
      ['Hilfe', [['Ctrl+K', 'Jeder Befehl bei seinem Namen'], ['?', 'Diese Tasten']]],
    ],
  },
  menus: {
    move: 'Verschieben nach', snooze: 'Zurückstellen bis', later: 'Später senden', labels: 'Etiketten', newLabel: 'Neues Etikett', addLabel: 'Hinzufügen', labelHint: 'Buchstaben, Ziffern, - und _, ohne Leerzeichen.', pick: 'Andere Zeit', set: 'Festlegen',
    past: 'Diese Zeit ist vorbei. Wählen Sie eine spätere.',
    when: { today: 'Später heute', evening: 'Heute Abend', tomorrow: 'Morgen früh', monday: 'Montag früh', week: 'In einer Woche' },
    palette: { title: 'Befehle', hint: 'Einen Befehl oder ein Postfach eingeben', none: 'Kein Befehl passt', go: (where) => `Zu ${where}`, moveTo: (where) => `Verschieben nach ${where}` },
  },
  outbox: {
    title: 'Was noch zu senden ist', waiting: 'Wartet', refused: 'Nicht ausgeführt', none: 'Nichts wartet.', soon: 'Es wird gerade gesendet.', open: 'Entwurf öffnen', dismiss: 'Verwerfen', dismissThat: (what) => `${what} verwerfen`,
    takeBack: 'Zurücknehmen', takeBackThat: (what) => `${what} zurücknehmen`,
    what: { change: 'Ändern', query: 'Ändern', destroy: 'Löschen', send: 'Senden', answer: 'Antworten' },
  },
  reading: {
    thread: {
      label: 'Unterhaltung', messages: (n, names) => `${count(n, 'Nachricht', 'Nachrichten')}, mit ${names}`, from: (who, when) => `Nachricht von ${who}, ${when}`,
      to: (names) => `an ${names}`, replyTo: (names) => `${names} antworten`, reply: 'Antworten', replyAll: 'Allen antworten', forward: 'Weiterleiten',
      quoted: 'Zitierten Text zeigen', hideQuoted: 'Zitierten Text verbergen', attachments: 'Anhänge', download: (name) => `${name} herunterladen`, preview: (name) => `${name} ansehen`, noPreview: 'Das lässt sich hier nicht zeigen. Laden Sie es herunter.',
      pictures: 'Bilder von anderen Servern sind verborgen.', showPictures: 'Fremde Bilder zeigen', picturesShown: 'Ihr Server hat die Bilder geholt. Wer sie gesendet hat, erfährt weder, wer Sie sind, noch wo.', plain: 'Als reinen Text zeigen', designed: 'Gestaltet zeigen', frame: (who) => `Nachricht von ${who}`,
      loading: 'Die Unterhaltung wird geladen', gone: 'Diese Unterhaltung ist nicht mehr hier.', failed: (detail) => `Konnte nicht geladen werden. ${detail}`,
      fromLabel: 'Von', date: 'Datum', empty: 'Diese Nachricht hat keinen Text.', unverified: 'Sie kam an eine geheime Antwortadresse, aber es ist nicht sicher, von wem. Wer die Adresse bekommen hat, wurde gefragt.', details: 'Einzelheiten', raw: 'Original herunterladen', cc: (names) => `Kopie an ${names}`, expand: 'Alle zeigen',
      verify: (name, address) => `${name} <${address}>`,
    },
    ask: {
      waiting: (who) => `${who} wartet auf Ihre Antwort`, region: (who) => `Frage von ${who}`, by: (time, left) => `bis ${time}, ${left}`, noDeadline: 'ohne Frist',
      note: 'Anmerkung', notePlaceholder: 'Anmerkung (wenn Sie mögen)', noteRequired: (option) => `Sagen Sie, warum: „${option}“ braucht eine Anmerkung.`, final: 'Eine Antwort ist endgültig',
      decline: 'Nicht antworten', declineWhy: 'Sagen Sie in der Anmerkung, warum Sie nicht antworten.', others: (names, some) => `${some ? 'Auch gefragt sind' : 'Auch gefragt ist'} ${names}; die erste Antwort zählt.`,
      expiry: (time, value) => `Ohne Antwort bis ${time} zählt es als „${value}“.`, expires: (time) => `Ohne Antwort bis ${time} verfällt die Frage.`,
      sending: (option) => `„${option}“ wird gesendet`, sent: (doing) => `${doing}: erledigt`, youAnswered: (option, time) => `Sie haben mit „${option}“ geantwortet${time}`,
      otherAnswered: (who, option, time) => `${who} hat mit „${option}“ geantwortet${time}`, youDeclined: 'Sie haben nicht geantwortet', declined: 'Die Frage wurde abgelehnt',
      nobody: (time) => `Bis ${time} hat niemand geantwortet`, countedAs: (option) => `Es zählte als „${option}“.`, told: (who) => `${who} weiß es. Unten können Sie noch schreiben.`,
      withdrawn: (who, time) => `${who} hat diese Frage zurückgezogen${time}`, youWithdrew: (time) => `Sie haben diese Frage zurückgezogen${time}`, undeliverable: 'Die Frage konnte nicht zugestellt werden',
      late: 'Die Zeit für eine Antwort ist vorbei', took: 'Dauer', took_: (span) => `${span} von der Frage bis zur Antwort`, first: (who) => `${who} war zuerst da. Von Ihnen wurde nichts gesendet.`,
      notSent: (detail) => `Nicht gesendet. ${detail}`, youAsked: (names) => `Warten auf ${names}`, withdraw: 'Frage zurückziehen', answeredState: 'beantwortet', declinedState: 'abgelehnt', pendingState: 'noch nicht',
      yes: 'ja', no: 'nein', form: 'das Formular', sendAnswer: 'Antwort senden', answerPlaceholder: 'Ihre Antwort', missing: 'Das wird gebraucht.', number: 'Das ist keine Zahl.', heldTitle: (what, seconds) => `„${what}“ wird in ${count(seconds, 'Sekunde', 'Sekunden')} gesendet`, canUndo: '10 Sekunden lang können Sie es zurücknehmen',
      correction: 'Um Berichtigung bitten', correctionWhy: 'Sagen Sie in der Anmerkung, was zu berichtigen ist.', corrected: 'Diese Frage wurde berichtigt. Die neuere gilt.', asked: (who, what) => `${who} bat um Berichtigung: ${what}`, sentCorrection: (who) => `${who} erfährt, was zu berichtigen ist.`,
      remind: 'Erinnern', reminded: 'Eine Erinnerung ist unterwegs.', escalate: 'Jetzt weiterreichen', escalated: 'Es wurde weitergereicht.', delegate: 'Abgeben', delegateTo: 'Adresse, an die Sie es abgeben', delegated: (to) => `Abgegeben an ${to}.`,
      unsupported: 'Diese Art von Frage kann hier nicht beantwortet werden. Antworten Sie stattdessen auf die Nachricht.', answersLabel: 'Antworten', options: 'Antworten zur Wahl',
      withdrawTitle: 'Frage zurückziehen?', withdrawText: 'Danach kann niemand mehr antworten.',
    },
    delivery: {
      queued: 'In der Warteschlange', sending: 'Unterwegs', held: 'Einen Moment angehalten, kann zurückgenommen werden', scheduled: (time) => `Geht ${time} hinaus`, canceled: 'Nicht gesendet, zurückgenommen',
      delivered: 'Zugestellt', deliveredBoth: 'Beiden zugestellt', deliveredAll: (n) => `Allen ${n} zugestellt`, some: (n, of) => `${n} von ${of} zugestellt`,
      delayed: (tries) => (tries > 0 ? `Verzögert, bisher ${count(tries, 'Versuch', 'Versuche')}` : 'Verzögert'), failed: 'Konnte nicht zugestellt werden', someFailed: (n, of) => `${n} von ${of} konnten nicht zugestellt werden`,
      next: (time) => `nächster Versuch ${time}`, last: (time) => `zuletzt ${time}`, at: (time) => `um ${time}`, tryNow: 'Jetzt versuchen', trying: 'Wird versucht', elsewhere: 'An eine andere Adresse senden', local: 'in ein Postfach hier', relayed: 'per E-Mail',
      step: {
        accepted: 'Angenommen und gesichert', putOff: 'Noch nicht versucht: das Ziel ist nicht zu erreichen', delivered: 'In ein Postfach hier zugestellt', relayed: (n) => `Beim ${n}. Versuch übergeben`, attempt: (n, why) => `${n}. Versuch: ${why}`,
        failed: (what, why) => `${what}: ${why}`, canceled: 'Vor dem Senden zurückgenommen', soon: 'Nächster Versuch gleich', next: (time) => `Nächster Versuch ${time}`,
      },
      classes: {
        permanent: 'Endgültig abgewiesen', expired: 'Nach dem letzten Versuch aufgegeben', suppressed: 'Die Adresse steht auf der Liste derer, denen nicht geschrieben werden darf',
        rejected_locally: 'Dieser Server stellt der Adresse nichts zu', other: 'Es konnte nicht zugestellt werden',
      },
      meanings: {
        '1.1': 'diese Adresse gibt es nicht', '1.2': 'diesen Server gibt es nicht', '1.10': 'die Adresse nimmt keine Post an', '2.1': 'das Postfach ist abgeschaltet', '2.2': 'das Postfach ist voll', '2.3': 'die Nachricht ist zu groß dafür',
        '3.4': 'die Nachricht ist zu groß für den Server', '4.1': 'der Server hat nicht geantwortet', '4.2': 'es gab keine Verbindung zum Server', '4.4': 'dafür wurde kein Server gefunden', '4.6': 'die Nachricht lief im Kreis', '4.7': 'es hat zu lange gedauert',
        '7.1': 'der Server nimmt sie zurzeit nicht an', '7.26': 'der Absender konnte nicht bestätigt werden', none: 'der Server gab keine klare Antwort', 4: 'der Server bat uns, später wiederzukommen', 5: 'der Server hat sie abgewiesen',
      },
      loading: 'Was geschah, wird geladen', tryFailed: (detail) => `Nicht versucht. ${detail}`, label: (text) => `Zustellung: ${text}`,
      state: { scheduled: 'Geplant', held: 'Angehalten', queued: 'Wartet', sending: 'Unterwegs', delayed: 'Verzögert', delivered: 'Zugestellt', relayed: 'Zugestellt', failed: 'Gescheitert', canceled: 'Zurückgenommen' },
    },
  },
  settings: {
    leaveTitle: 'Abmelden und verlieren, was wartet?', leaveText: (n) => `${changes(n)} ${n === 1 ? 'konnte' : 'konnten'} noch nicht gesendet werden und ${n === 1 ? 'geht' : 'gehen'} verloren.`,
    title: 'Einstellungen', profile: 'Konto', name: 'Name', addresses: 'Adressen', appearance: 'Erscheinung', theme: 'Farben', themes: { system: 'Wie das Gerät', light: 'Hell', dark: 'Dunkel' }, density: 'Zeilen', densities: { roomy: 'Geräumig', cosy: 'Bequem', compact: 'Eng' },
    language: 'Sprache', languageOfBrowser: 'Wie der Browser', notify: 'Sagen, wenn jemand auf meine Antwort wartet', notifyHint: 'Mit einer Meldung des Browsers, solange niemand in ein Fenster davon sieht.', notifyDenied: 'Der Browser lässt keine Meldungen dieser Seite zu. Erlauben Sie sie in den Einstellungen des Browsers.',
    offer: 'Meldungen des Browsers', offerAsker: 'Soll der Browser melden, wenn eine Antwort kommt?', offerAsked: 'Soll der Browser melden, wenn jemand auf Sie wartet?', offerYes: 'Ja, melden', offerNo: 'Nein, danke',
    keys: 'Einzelne Tasten', keysHint: 'Buchstaben wie e oder r handeln sofort. Pfeile, Enter und Ctrl+Enter gelten immer.', undo: 'Zeit, Gesendetes zurückzunehmen', undoChoice: (seconds) => (seconds === 0 ? 'Keine' : count(seconds, 'Sekunde', 'Sekunden')),
    forwarding: 'Weiterleitung', forwardingHint: 'Was hier eintrifft, geht auch an diese Adressen, sobald sie bestätigt sind.', forwardingNone: 'Nichts wird weitergeleitet.', addAddress: 'Adresse', add: 'Hinzufügen', content: 'Was gesendet wird', contents: { full: 'Die ganze Nachricht', notice: 'Ein kurzer Hinweis' },
    verified: 'Bestätigt', unverified: 'Wartet auf Bestätigung', resend: 'Link noch einmal senden', resent: (address) => `Ein neuer Link ist unterwegs an ${address}.`, mailSent: (address) => `Ein Link ist unterwegs an ${address}. Öffnen Sie ihn, um zu bestätigen.`, removeAddress: (address) => `${address} entfernen`,
    password: 'Kennwort', currentPassword: 'Bisheriges Kennwort', newPassword: 'Neues Kennwort', changePassword: 'Kennwort ändern', passwordChanged: 'Das Kennwort ist geändert. Alle anderen Browser wurden abgemeldet.', wrongPassword: 'Das bisherige Kennwort stimmt nicht.',
    sessions: 'Angemeldete Browser', thisBrowser: 'Dieser Browser', lastSeen: (time) => `zuletzt gesehen ${time}`, since: (time) => `seit ${time}`, revoke: 'Abmelden', revokeThat: (what) => `${what} abmelden`, unknownBrowser: 'Unbekanntes Programm',
    tokens: 'Zugangsschlüssel', tokensHint: 'Für Programme, die für Sie Post senden oder lesen. Ein Schlüssel wird einmal gezeigt.', tokenName: 'Name', tokenScopes: 'Darf', tokenAll: 'Alles, was dieses Konto darf', tokenExpires: 'Endet', tokenNever: 'Nie', tokenDays: (n) => `In ${n} Tagen`, createToken: 'Schlüssel anlegen', tokenMade: (name) => `Der Schlüssel „${name}“. Kopieren Sie ihn jetzt, er wird nicht noch einmal gezeigt.`, copy: 'Kopieren', copied: 'Kopiert', revokeToken: (name) => `${name} widerrufen`, noTokens: 'Keine Schlüssel.',
    expires: (time) => `endet ${time}`, revokeTokenTitle: 'Diesen Schlüssel widerrufen?', revokeTokenText: (name) => `Programme, die „${name}“ benutzen, gehen sofort nicht mehr.`, revokeAction: 'Widerrufen',
    scopes: { 'messages:send': 'Nachrichten senden', 'messages:read': 'Nachrichten lesen', 'messages:write': 'Nachrichten ändern', 'promises:answer': 'Fragen beantworten', 'account:manage': 'Das Konto einrichten', admin: 'Verwalten' },
    webhooks: 'Webhooks', webhooksHint: 'Programme, die per HTTP erfahren, was hier geschieht. Jeder Aufruf ist unterschrieben (Standard Webhooks).', noWebhooks: 'Keine Webhooks.', webhooksAbsent: 'Dieser Server bietet keine Webhooks.',
    webhookUrl: 'Adresse, mit https', webhookTypes: 'Erfährt', webhookAll: 'Alles', addWebhook: 'Webhook hinzufügen', webhookSecret: (url) => `Das Geheimnis für ${url}. Kopieren Sie es jetzt, es wird nicht noch einmal gezeigt.`,
    webhookTest: 'Probe senden', webhookTestThat: (url) => `Probe senden: ${url}`, webhookTested: (url) => `Eine Probe ist unterwegs an ${url}.`, webhookRotate: 'Geheimnis erneuern', webhookRotateThat: (url) => `Geheimnis erneuern: ${url}`,
    webhookCalls: 'Aufrufe', webhookCallsThat: (url) => `Aufrufe von ${url}`, noCalls: 'Noch nichts gesendet.', webhookRemoveTitle: 'Diesen Webhook entfernen?', webhookRemoveText: (url) => `${url} erfährt dann nichts mehr.`,
    webhookOn: 'Einschalten', webhookOnThat: (url) => `Einschalten: ${url}`, webhookOff: 'Abgeschaltet', webhookWhy: { gone: 'Er antwortete, dass es ihn nicht mehr gibt.', failing: 'Fünf Tage lang scheiterte jeder Aufruf.', user: '' },
    webhookEvents: { 'message.received': 'Neue Nachrichten', 'promise.settled': 'Entschiedene Fragen', 'answer.received': 'Antworten', 'delivery.updated': 'Zustellungen' },
    callState: { queued: 'Wartet', delayed: 'Verzögert', delivered: 'Zugestellt', failed: 'Gescheitert', canceled: 'Zurückgenommen' }, callTest: 'Probe', callEvent: (event) => `Ereignis ${event}`,
    callTries: (n) => count(n, 'Versuch', 'Versuche'), callNext: (time) => `nächster Versuch ${time}`, callAgain: 'Noch einmal senden', callAgainThat: (event) => `Noch einmal senden: ${event}`,
    failed: (detail) => `Nicht gesichert. ${detail}`, loadFailed: (detail) => `Konnte nicht geladen werden. ${detail}`,
  },
  telling: {
    hours: 'Wann', hoursOf: (address) => `Wann ${address} davon erfährt`, when: { immediately: 'Sofort', digest: 'Gesammelt, zu festen Zeiten' }, times: 'Zeiten', time: (n) => `Zeit ${n}`, addTime: 'Zeit hinzufügen', removeTime: (time) => `${time} entfernen`,
    quiet: 'Nachts wird nichts gesendet', quietFrom: 'Von', quietUntil: 'Bis', zone: 'Zeitzone', next: (time) => `Was jetzt eintrifft, wird ${time} gemeldet`, atOnce: 'Was jetzt eintrifft, wird sofort gemeldet', save: 'Zeiten sichern', saved: (address) => `Für ${address} gesichert.`,
    paused: 'Angehalten', pause: 'Anhalten', resume: 'Weiter', pauseThat: (address) => `${address} anhalten`, resumeThat: (address) => `Weiter an ${address}`,
    vacation: 'Abwesend', vacationHint: 'Wer schreibt, bekommt einmal in der Woche dies zur Antwort. Verteiler und Programme nicht.', vacationOn: 'Wer schreibt, bekommt Antwort.', vacationFrom: (time) => `Ab ${time} bekommt Antwort, wer schreibt.`, vacationOver: 'Diese Zeit ist vorbei: niemand bekommt Antwort.',
    subject: 'Betreff', subjectHint: 'Wie bei der beantworteten Nachricht, wenn hier nichts steht', text: 'Wortlaut', from: 'Von', until: 'Bis', start: 'Für mich antworten', change: 'Änderungen sichern', end: 'Nicht mehr antworten', order: 'Das Ende liegt vor dem Anfang.',
    mutes: 'Stummgeschaltet', mutesHint: 'Nachrichten von hier werden abgelegt, aber weder weitergeleitet noch gemeldet.', noMutes: 'Nichts ist stummgeschaltet.', conversation: 'Eine Unterhaltung', sender: 'Absender', muteSender: 'Absender stummschalten', unmute: 'Aufheben', unmuteThat: (what) => `Stummschaltung aufheben: ${what}`, more: 'Mehr zeigen',
  },
  writing: {
    later: 'Später senden',
    title: 'Neue Nachricht', reply: 'Antwort', forward: 'Weiterleiten', to: 'An', cc: 'Kopie', bcc: 'Blindkopie', addCc: 'Kopie', addBcc: 'Blindkopie', subject: 'Betreff', body: 'Nachricht', bodyPlaceholder: 'Ihre Nachricht',
    send: 'Senden', sending: 'Wird gesendet', attach: 'Dateien anhängen', discard: 'Verwerfen', close: 'Schließen, der Entwurf bleibt', minimise: 'Als Entwurf behalten', dropHere: 'Dateien hier ablegen', removeChip: (what) => `${what} entfernen`,
    quote: 'Die zitierte Nachricht geht mit', dropQuote: 'Weglassen', forwarded: (subject) => `Die ursprüngliche Nachricht „${subject}“ geht mit.`, recipients: 'Geben Sie mindestens einen Empfänger an.', badAddress: (text) => `„${text}“ ist keine vollständige Adresse.`,
    kept: 'Der Entwurf bleibt erhalten.', notSent: (detail) => `Nicht gesendet. ${detail} Der Entwurf bleibt erhalten.`, uploading: 'Eine Datei ist noch unterwegs. Warten Sie, oder entfernen Sie sie.', uploadFailed: (name, detail) => `${name} wurde nicht angehängt. ${detail}`,
    tooBig: (name, size, limit) => `${name} ist ${size} groß, erlaubt sind ${limit}.`, sentPlain: 'Gesendet', saved: 'Entwurf auf diesem Gerät gesichert', progress: (name) => `${name} wird hochgeladen`,
    forgotten: 'Sie schreiben von einem Anhang, aber es gibt keinen. Trotzdem senden?', sendAnyway: 'Trotzdem senden', discarded: 'Entwurf verworfen', noSubjectYet: 'Neue Nachricht', uploadWaits: 'Geht weiter, sobald die Verbindung wieder da ist', uploadAgain: (name) => `Noch einmal: ${name}`, fileRemove: (name) => `${name} entfernen`,
  },
};
