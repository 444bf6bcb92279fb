"""The one table of access: what may be done, and by whom of how near to the thing. `access` applies it."""

from collections.abc import Mapping
from enum import StrEnum

from medinova_rt.grants import Scope, StaffRole
from medinova_rt.principals import Role, ServiceScope


class Relation(StrEnum):
    SEAT = "own seat"
    VISIT = "same visit"
    OWN = "own"  # the user's own account, or the record of the patient that the user is
    ACTING = "acting for"  # the patient, by a relation
    TREATING = "treating"  # the patient
    EMERGENCY = "emergency"  # access to the patient's record, for an hour
    CLINIC = "same clinic"
    OTHER = "other clinic"


class Action(StrEnum):
    VISIT_SEE = "visit.see"
    VISIT_CREATE = "visit.create"
    VISIT_READ = "visit.read"
    VISIT_END = "visit.end"
    VISIT_EXPIRE = "visit.expire"
    SEAT_ADD = "seat.add"
    LINK_ADD = "link.add"
    LINK_REVOKE = "link.revoke"
    LINK_EXCHANGE = "link.exchange"
    SEAT_READ = "seat.read"
    SEAT_STATUS = "seat.status"
    SEAT_ADMIT = "seat.admit"
    VISIT_JOIN = "visit.join"
    VISIT_LEAVE = "visit.leave"
    MEDIA_OFFER = "media.offer"
    CHAT_SAY = "chat.say"
    SOCKET_PONG = "socket.pong"

    SIGN_IN = "sign-in"
    SECOND_FACTOR = "second-factor"
    SIGN_OUT = "sign-out"
    ME_SEE = "me.see"
    ME_READ = "me.read"
    ME_CHANGE = "me.change"
    ME_PROVE = "me.prove"
    PASSWORD_CHANGE = "password.change"  # noqa: S105  # the name of an act
    EMAIL_CHANGE = "email.change"
    FACTOR_LIST = "factor.list"
    FACTOR_CHANGE = "factor.change"
    SESSION_LIST = "session.list"
    SESSION_REVOKE = "session.revoke"
    TOKEN_ISSUE = "token.issue"  # noqa: S105  # the name of an act
    TOKEN_GRANT = "token.grant"  # noqa: S105  # the name of an act
    KEYS_READ = "keys.read"

    CLINIC_CREATE = "clinic.create"
    CLINIC_LIST = "clinic.list"
    CLINIC_READ = "clinic.read"
    CLINIC_CHANGE = "clinic.change"
    MEMBER_LIST = "member.list"
    MEMBER_READ = "member.read"
    MEMBER_CHANGE = "member.change"
    INVITATION_LIST = "invitation.list"
    INVITATION_ADD = "invitation.add"
    INVITATION_WITHDRAW = "invitation.withdraw"
    INVITATION_ACCEPT = "invitation.accept"
    ACCOUNT_LIST = "account.list"
    ACCOUNT_CHANGE = "account.change"

    PATIENT_SEE = "patient.see"
    PATIENT_FIND = "patient.find"
    PATIENT_CREATE = "patient.create"
    PATIENT_READ = "patient.read"
    PATIENT_CHANGE = "patient.change"
    PATIENT_MERGE = "patient.merge"
    PATIENT_TREAT = "patient.treat"
    PATIENT_ACCESSES = "patient.accesses"
    PATIENT_EXPORT = "patient.export"
    PATIENT_ERASE = "patient.erase"
    ERASURE_READ = "erasure.read"
    RELATION_LIST = "relation.list"
    RELATION_ADD = "relation.add"
    RELATION_END = "relation.end"
    RELATION_INVITED = "relation.invited"
    RELATION_WITHDRAW = "relation.withdraw"
    EMERGENCY_TAKE = "emergency.take"
    AUDIT_READ = "audit.read"
    EMERGENCY_LIST = "emergency.list"
    EMERGENCY_END = "emergency.end"

    OUTBOX_READ = "outbox.read"
    PAGE_READ = "page.read"
    HEALTH_READ = "health.read"
    METRICS_READ = "metrics.read"


Grants = frozenset[tuple[str, Relation]]  # of a role and how it stands to the thing


def _at(relation: Relation, *roles: str) -> Grants:
    return frozenset((role, relation) for role in roles)


ROLES = tuple(
    dict.fromkeys(("stranger", "half", "user", "patient", "operator", "service", "system", *Role, *StaffRole))
)
ANYONE: Grants = frozenset((role, at) for role in ROLES for at in Relation)

SERVICE = _at(Relation.CLINIC, "service")
SYSTEM = _at(Relation.CLINIC, "system")
HOLDER = _at(Relation.SEAT, *Role)
IN_VISIT = HOLDER | _at(Relation.VISIT, *Role)
LEADING = _at(Relation.SEAT, Role.CLINICIAN) | _at(Relation.VISIT, Role.CLINICIAN)  # the visit
USER = _at(Relation.OWN, "user")
HALF = _at(Relation.OWN, "half")
OPERATOR = _at(Relation.OTHER, "operator")
OPERATOR_OF_ANY = _at(Relation.CLINIC, "operator")  # clinic that there is

DESK = _at(Relation.CLINIC, StaffRole.FRONT_DESK)
BILLING = _at(Relation.CLINIC, StaffRole.BILLING)
ADMIN = _at(Relation.CLINIC, StaffRole.ADMINISTRATOR)
CLINICIAN = _at(Relation.CLINIC, StaffRole.CLINICIAN)
STAFF = _at(Relation.CLINIC, *StaffRole)
TREATING = _at(Relation.TREATING, StaffRole.CLINICIAN) | _at(Relation.EMERGENCY, StaffRole.CLINICIAN)
PATIENT = _at(Relation.OWN, "patient")
ACTING = _at(Relation.ACTING, "patient")

TABLE: dict[Action, Grants] = {
    Action.VISIT_SEE: SERVICE | SYSTEM | IN_VISIT | DESK,
    Action.VISIT_CREATE: SERVICE,
    Action.VISIT_READ: SERVICE | DESK,
    Action.VISIT_END: SERVICE | LEADING | DESK,
    Action.VISIT_EXPIRE: SYSTEM,
    Action.SEAT_ADD: SERVICE | DESK,
    Action.LINK_ADD: SERVICE | DESK,
    Action.LINK_REVOKE: SERVICE | DESK,
    Action.LINK_EXCHANGE: ANYONE,  # the token in the body is the credential
    Action.SEAT_READ: HOLDER,
    Action.SEAT_STATUS: HOLDER,
    Action.SEAT_ADMIT: LEADING,
    Action.VISIT_JOIN: HOLDER,
    Action.VISIT_LEAVE: HOLDER,
    Action.MEDIA_OFFER: HOLDER,
    Action.CHAT_SAY: HOLDER,
    Action.SOCKET_PONG: HOLDER,
    Action.SIGN_IN: ANYONE,  # as above: what is in the body
    Action.SECOND_FACTOR: HALF,
    Action.SIGN_OUT: USER | HALF,
    Action.ME_SEE: USER | HALF,
    Action.ME_READ: USER,
    Action.ME_CHANGE: USER,
    Action.ME_PROVE: USER,
    Action.PASSWORD_CHANGE: USER,
    Action.EMAIL_CHANGE: USER,
    Action.FACTOR_LIST: USER,
    Action.FACTOR_CHANGE: USER,
    Action.SESSION_LIST: USER,
    Action.SESSION_REVOKE: USER,
    Action.TOKEN_ISSUE: USER,
    Action.TOKEN_GRANT: ANYONE,  # as above: the assertion in the body
    Action.KEYS_READ: ANYONE,
    Action.CLINIC_CREATE: OPERATOR,
    Action.CLINIC_LIST: USER,
    Action.CLINIC_READ: STAFF | SERVICE | OPERATOR_OF_ANY,
    Action.CLINIC_CHANGE: ADMIN,
    Action.MEMBER_LIST: STAFF - _at(Relation.CLINIC, StaffRole.INTERPRETER),
    Action.MEMBER_READ: STAFF - _at(Relation.CLINIC, StaffRole.INTERPRETER),
    Action.MEMBER_CHANGE: ADMIN,
    Action.INVITATION_LIST: ADMIN,
    Action.INVITATION_ADD: ADMIN,
    Action.INVITATION_WITHDRAW: ADMIN,
    Action.INVITATION_ACCEPT: ANYONE,  # as above: the token in the body
    Action.ACCOUNT_LIST: ADMIN,
    Action.ACCOUNT_CHANGE: ADMIN,
    Action.PATIENT_SEE: SERVICE | CLINICIAN | TREATING | DESK | BILLING | ADMIN | PATIENT | ACTING,
    Action.PATIENT_FIND: SERVICE | CLINICIAN | DESK | BILLING | ADMIN,
    Action.PATIENT_CREATE: SERVICE | CLINICIAN | DESK,
    Action.PATIENT_READ: SERVICE | TREATING | DESK | BILLING | ADMIN | PATIENT | ACTING,
    Action.PATIENT_CHANGE: SERVICE | TREATING | DESK | PATIENT | ACTING,
    Action.PATIENT_MERGE: DESK | ADMIN,
    Action.PATIENT_TREAT: DESK | ADMIN,
    Action.PATIENT_ACCESSES: ADMIN | PATIENT | ACTING,
    Action.PATIENT_EXPORT: ADMIN | PATIENT | ACTING,
    Action.PATIENT_ERASE: SYSTEM | ADMIN,
    Action.ERASURE_READ: ADMIN,
    Action.RELATION_LIST: TREATING | DESK | ADMIN | PATIENT,
    Action.RELATION_ADD: DESK | ADMIN,
    Action.RELATION_END: SYSTEM | DESK | ADMIN | PATIENT,
    Action.RELATION_INVITED: DESK | ADMIN,
    Action.RELATION_WITHDRAW: DESK | ADMIN,
    Action.EMERGENCY_TAKE: CLINICIAN,
    Action.AUDIT_READ: ADMIN,
    Action.EMERGENCY_LIST: ADMIN,
    Action.EMERGENCY_END: ADMIN,
    Action.OUTBOX_READ: OPERATOR,
    Action.PAGE_READ: ANYONE,
    Action.HEALTH_READ: ANYONE,
    Action.METRICS_READ: SERVICE | OPERATOR,
}

SEEN_BY: Mapping[str, Action] = {  # the action that means: may know that there is such a thing
    "visit": Action.VISIT_SEE,
    "clinic": Action.CLINIC_READ,
    "member": Action.MEMBER_READ,
    "invitation": Action.INVITATION_LIST,
    "account": Action.ACCOUNT_LIST,
    "patient": Action.PATIENT_SEE,
    "relation": Action.RELATION_LIST,
    "emergency": Action.EMERGENCY_LIST,
    "erasure": Action.ERASURE_READ,
    "user": Action.ME_SEE,
    "session": Action.SESSION_LIST,
    "factor": Action.FACTOR_LIST,
}

KEY_ONLY = frozenset({Action.METRICS_READ})  # of systems, for the server's own key: it shows what all clinics do

FRESH = frozenset(
    {
        Action.PASSWORD_CHANGE,
        Action.FACTOR_CHANGE,
        Action.EMAIL_CHANGE,
        Action.CLINIC_CHANGE,  # whether its roles need a second factor
        Action.MEMBER_CHANGE,
        Action.INVITATION_ADD,  # makes members, too
        Action.ACCOUNT_CHANGE,
        Action.PATIENT_EXPORT,
        Action.PATIENT_ERASE,
    }
)

FRESH_SECOND = frozenset(  # of FRESH: where the user has a second factor, by that one
    {
        Action.PASSWORD_CHANGE,
        Action.FACTOR_CHANGE,
        Action.EMAIL_CHANGE,
    }
)

SERVICE_SCOPES: Mapping[Action, frozenset[ServiceScope]] = {  # any one of them; an action without a row needs none
    **dict.fromkeys(
        (
            Action.VISIT_CREATE,
            Action.VISIT_READ,
            Action.VISIT_END,
            Action.SEAT_ADD,
            Action.LINK_ADD,
            Action.LINK_REVOKE,
        ),
        frozenset({ServiceScope.VISITS}),
    ),
    **dict.fromkeys(
        (Action.PATIENT_SEE, Action.PATIENT_FIND, Action.PATIENT_READ),
        frozenset({ServiceScope.PATIENTS_READ, ServiceScope.PATIENTS}),
    ),
    **dict.fromkeys((Action.PATIENT_CREATE, Action.PATIENT_CHANGE), frozenset({ServiceScope.PATIENTS})),
}
RELATION_SCOPES: Mapping[Action, Scope] = {  # of who acts for a patient; an action without a row needs none
    Action.PATIENT_READ: Scope.RECORD,
    Action.PATIENT_CHANGE: Scope.RECORD,
    Action.PATIENT_ACCESSES: Scope.RECORD,
    Action.PATIENT_EXPORT: Scope.RECORD,
}
