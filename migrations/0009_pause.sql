-- While it has its row, nothing leaves this system: mail to outside addresses, notices and webhooks wait.

create table pause (
  one boolean not null primary key check (one),
  since bigint not null,
  reason text not null                -- restored: from a backup, until an administrator confirms; asked: by an administrator
);
